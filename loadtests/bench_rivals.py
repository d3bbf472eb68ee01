"""The rivals, and bare calls of Redis, each the way its documentation shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import redis
from flask import Flask
from flask_limiter import Limiter as FlaskLimiter
from flask_limiter.util import get_remote_address
from throttled.contrib.flask import Limiter as ThrottledLimiter
from throttled.store import MemoryStore as ThrottledMemory
from throttled.store import RedisStore as ThrottledRedis

from loadtests.bench_apps import FEW, PLENTY, Bench, bare_app, check_headers, exhaust, silence
from loadtests.bench_subject import PATH, Subject, WsgiSubject

FIXED, MOVING, SLIDING = "fixed-window", "moving-window", "sliding-window-counter"
NOOP = "return 1"


def flask_limiter(
    bench: Bench, store: str, strategy: str, headers: bool, limits: Sequence[str]
) -> Subject:
    """The app under Flask-Limiter, everybody admitted."""
    app = flask_limiter_app(bench, store, strategy, headers, limits)
    check_headers(app, "X-RateLimit-Limit" if headers else None)
    return WsgiSubject(app, bench.clients)


def flask_limiter_refused(bench: Bench, store: str) -> Subject:
    """The app under Flask-Limiter, everybody over the limit."""
    app = flask_limiter_app(bench, store, SLIDING, True, [f"{FEW}/hour"])
    clients = min(bench.clients, 100)
    exhaust(app, clients)
    return WsgiSubject(app, clients)


def flask_limiter_app(
    bench: Bench, store: str, strategy: str, headers: bool, limits: Sequence[str]
) -> Flask:
    """An app under Flask-Limiter."""
    app = bare_app()
    FlaskLimiter(
        get_remote_address,
        app=app,
        default_limits=list(limits),
        storage_uri=bench.uri(store),
        strategy=strategy,
        headers_enabled=headers,
        key_prefix=f"fl-{strategy}-{headers:d}-{len(limits)}-{limits[0]}",
    )
    silence("flask-limiter")
    return app


def throttled(bench: Bench, store: str, headers: bool) -> Subject:
    """The app under throttled-py, everybody admitted."""
    app = throttled_app(bench, store, headers)
    check_headers(app, "RateLimit-Limit" if headers else None)
    return WsgiSubject(app, bench.clients)


def throttled_app(bench: Bench, store: str, headers: bool = True) -> Flask:
    """An app under throttled-py's decorator; its headers come from a hook of their own."""
    app = Flask("bench")
    kept = ThrottledRedis(server=bench.url) if store == "redis" else ThrottledMemory()
    limiter = ThrottledLimiter(
        f"{PLENTY}/m", store=kept, using="fixed_window", key_func=get_remote_address
    )
    if headers:
        limiter.init_app(app)
    app.add_url_rule(PATH, "data", limiter.limit()(lambda: "ok"))
    return app


class _RawSubject:
    """A bare call, without Flask, that always works."""

    warm_up = 100

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work

    def prepare(self) -> None:
        return

    def call(self, prepared: None) -> int:
        self._work()
        return 200

    def check(self) -> None:
        return


def ping(bench: Bench) -> Subject:
    """A PING, nothing more."""
    return _RawSubject(redis.Redis.from_url(bench.url).ping)


def _noop(bench: Bench) -> Callable[[], object]:
    client = redis.Redis.from_url(bench.url)
    sha = client.script_load(NOOP)
    return partial(client.evalsha, sha, 0)


def raw_noop(bench: Bench) -> Subject:
    """A script that does nothing, nothing more."""
    return _RawSubject(_noop(bench))


def noop_in_flask(bench: Bench) -> Subject:
    """The app, with a script that does nothing called before the view."""
    app = bare_app()
    call = _noop(bench)

    def ask() -> None:
        call()

    app.before_request(ask)
    return WsgiSubject(app, bench.clients)
