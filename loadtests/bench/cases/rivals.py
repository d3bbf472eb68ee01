"""Make the rivals, and bare calls of Redis, as their documentation shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import redis
from flask import Flask
from flask_limiter import Limiter as FlaskLimiter
from flask_limiter.util import get_remote_address
from throttled.contrib.flask import Limiter as ThrottledLimiter
from throttled.store import MemoryStore as ThrottledMemory
from throttled.store import RedisStore as ThrottledRedis

from flask_irl import IntelligentLimiter
from flask_irl.compat import Limiter as CompatLimiter
from flask_irl.compat.util import get_remote_address as compat_address
from loadtests.bench.cases import PATH, PLENTY
from loadtests.bench.cases.apps import Bench, admitted, bare_app, silence
from loadtests.bench.cases.subject import Subject, WsgiSubject

FIXED, MOVING, SLIDING = "fixed-window", "moving-window", "sliding-window-counter"
ONE_LIMIT: Final = (f"{PLENTY}/minute",)
THREE_LIMITS: Final = (*ONE_LIMIT, f"{PLENTY * 10}/hour", f"{PLENTY * 100}/day")


def flask_limiter(
    bench: Bench, store: str, strategy: str, headers: bool, limits: Sequence[str]
) -> Subject:
    """Make the app under Flask-Limiter, every client within its limits."""
    app = flask_limiter_app(bench, store, strategy, headers, limits)
    return admitted(app, bench, "X-RateLimit-Limit" if headers else None)


def flask_limiter_app(
    bench: Bench, store: str, strategy: str, headers: bool, limits: Sequence[str]
) -> Flask:
    """Make an app under Flask-Limiter."""
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


def compat(bench: Bench, store: str) -> Subject:
    """Make the app under flask_irl's stand-in for Flask-Limiter, as that one's is made."""
    app = bare_app()
    app.config["IRL_STORE_TIMEOUT"] = 2.0
    CompatLimiter(
        compat_address,
        app=app,
        default_limits=list(ONE_LIMIT),
        storage_uri=bench.uri(store),
        strategy=SLIDING,
        headers_enabled=True,
        key_prefix="compat",
    )
    return admitted(app, bench, "X-RateLimit-Limit")


def native(bench: Bench, store: str) -> Subject:
    """Make the same app by flask_irl's own names."""
    app = bare_app()
    IntelligentLimiter(
        app,
        base_limit=None,
        default_limits=list(ONE_LIMIT),
        storage_uri=bench.uri(store),
        store_timeout=2.0,
        key_prefix="native",
    )
    return admitted(app, bench, "X-RateLimit-Limit")


def throttled(bench: Bench, store: str, headers: bool) -> Subject:
    """Make the app under throttled-py, every client within its limit."""
    app = throttled_app(bench, store, headers)
    return admitted(app, bench, "RateLimit-Limit" if headers else None)


def throttled_app(bench: Bench, store: str, headers: bool = True) -> Flask:
    """Make an app under throttled-py's decorator; its headers come from a hook of their own."""
    app = Flask("bench")
    limiter = ThrottledLimiter(
        f"{PLENTY}/m",
        store=ThrottledRedis(server=bench.url) if store == "redis" else ThrottledMemory(),
        using="fixed_window",
        key_func=get_remote_address,
    )
    if headers:
        limiter.init_app(app)
    app.add_url_rule(PATH, "data", limiter.limit()(lambda: "ok"))
    return app


@dataclass
class _RawSubject:
    """Make a bare call, without Flask."""

    work: Callable[[], object]
    warm_up: int = 100

    def prepare(self) -> None: ...

    def call(self, prepared: None) -> int:
        self.work()
        return 200

    def check(self) -> None: ...


def raw_noop(bench: Bench) -> Subject:
    """Make a call of a script that does nothing, nothing more."""
    return _RawSubject(_noop(bench))


def noop_in_flask(bench: Bench) -> Subject:
    """Make the app with a script that does nothing, called before the view."""
    app, call = bare_app(), _noop(bench)

    @app.before_request
    def before() -> None:
        call()

    return WsgiSubject(app, bench.clients)


def _noop(bench: Bench) -> Callable[[], object]:
    client = redis.Redis.from_url(bench.url)
    return partial(client.evalsha, client.script_load("return 1"), 0)
