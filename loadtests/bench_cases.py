"""What the benchmark compares: one small Flask app, under each limiter and setting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import redis
from flask import Flask
from flask_limiter import Limiter as FlaskLimiter
from flask_limiter.util import get_remote_address
from throttled.contrib.flask import Limiter as ThrottledLimiter
from throttled.store import MemoryStore as ThrottledMemory
from throttled.store import RedisStore as ThrottledRedis

from flask_irl import IntelligentLimiter
from flask_irl.app_state import state_of
from flask_irl.limiter import Limiter
from flask_irl.listener import NullListener
from loadtests.bench_harness import PATH, BenchError, Case, Subject, WsgiSubject, answer, environ_of
from loadtests.bench_model import Trained

PLENTY = 1_000_000
"""Requests a minute: nobody gets there, and nobody is refused."""
FEW = 5
HOUR = 3600
STORES = ("memory", "redis")
FIXED, MOVING, SLIDING = "fixed-window", "moving-window", "sliding-window-counter"
OURS = "flask_irl"
FLASK_LIMITER = "Flask-Limiter"
THROTTLED = "throttled-py"
NOOP = "return 1"

BARE = ("Flask", "", "bare")
RAW_EVALSHA = ("redis-py", "redis", "no-op EVALSHA, raw call")
IN_FLASK_EVALSHA = ("redis-py", "redis", "no-op EVALSHA before a view")


@dataclass(frozen=True)
class Bench:
    """What all cases share.

    Attributes:
        url: The Redis server's.
        model: The model of the cases that have one.
        clients: How many different addresses ask.
    """

    url: str
    model: Trained
    clients: int

    def uri(self, store: str) -> str:
        """The storage URI of a kind of store."""
        return self.url if store == "redis" else "memory://"


class Watch(NullListener):
    """Notices when flask_irl answers without its store, or keeps an error to itself."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def store_failed(self, kind: str) -> None:
        self.failures.append(f"the store failed ({kind})")

    def swallowed(self, where: str) -> None:
        self.failures.append(f"an error in {where}")


def bare_app() -> Flask:
    """The app that everybody limits: one route, a few bytes."""
    app = Flask("bench")
    app.add_url_rule(PATH, "data", lambda: "ok")
    return app


def our_app(
    bench: Bench,
    store: str,
    *,
    limits: int = 1,
    headers: bool = True,
    model: bool = True,
    **options: Any,
) -> Flask:
    """The app under flask_irl, whose background work runs as in production.

    Args:
        bench: What all cases share.
        store: ``memory`` or ``redis``.
        limits: 1 for the one on all requests; 3 for two of the route's own beside it.
        headers: Whether headers are sent.
        model: Whether a model is in force.
        **options: Further options, or others.
    """
    _silence(OURS)
    app = Flask("bench")
    watch = Watch()
    settings: dict[str, Any] = {
        "storage_uri": bench.uri(store),
        "key_prefix": f"irl-{limits}-{headers:d}-{model:d}-",
        "base_limit": PLENTY,
        "headers_enabled": headers,
        "training_interval_minutes": 24 * 60.0,
    }
    limiter = IntelligentLimiter(app, listener=watch, **(settings | options))
    view: Callable[[], str] = lambda: "ok"  # noqa: E731
    if limits > 1:
        view = limiter.limit(f"{PLENTY}/minute;{PLENTY * 10}/hour")(view)
    app.add_url_rule(PATH, "data", view)
    app.config["BENCH_WATCH"] = watch
    if model:
        bench.model.install(limiter_of(app))
    return app


def limiter_of(app: Flask) -> Limiter:
    """The engine behind an app under flask_irl."""
    return state_of(app).limiter


def check_ours(app: Flask, *, model: bool) -> None:
    """Raise :class:`BenchError` if an app didn't ask its store, or has no model where it should."""
    watch: Watch = app.config["BENCH_WATCH"]
    if watch.failures:
        raise BenchError(f"{len(watch.failures)} times: {watch.failures[0]}")
    limiter = limiter_of(app)
    if limiter.breaker.is_open:
        raise BenchError("the store is given up")
    current = limiter.trainer.model
    if model != (current.version > 0 and not current.advisory):
        raise BenchError(f"model {current.version} is in force, advisory: {current.advisory}")


def _bare(bench: Bench) -> Subject:
    return WsgiSubject(bare_app(), bench.clients)


def _ours(bench: Bench, store: str, limits: int, headers: bool, model: bool) -> Subject:
    app = our_app(bench, store, limits=limits, headers=headers, model=model)
    _check_headers(app, "X-RateLimit-Limit" if headers else None)
    return WsgiSubject(app, bench.clients, partial(check_ours, app, model=model))


def _ours_refused(bench: Bench, store: str) -> Subject:
    app = our_app(bench, store, base_limit=FEW, window_seconds=HOUR, key_prefix="irl-refused-")
    clients = min(bench.clients, 100)
    _exhaust(app, clients)
    return WsgiSubject(app, clients, partial(check_ours, app, model=True))


def _flask_limiter(
    bench: Bench, store: str, strategy: str, headers: bool, limits: Sequence[str]
) -> Subject:
    app = _flask_limiter_app(bench, store, strategy, headers, limits)
    _check_headers(app, "X-RateLimit-Limit" if headers else None)
    return WsgiSubject(app, bench.clients)


def _flask_limiter_refused(bench: Bench, store: str) -> Subject:
    app = _flask_limiter_app(bench, store, SLIDING, True, [f"{FEW}/hour"])
    clients = min(bench.clients, 100)
    _exhaust(app, clients)
    return WsgiSubject(app, clients)


def _flask_limiter_app(
    bench: Bench, store: str, strategy: str, headers: bool, limits: Sequence[str]
) -> Flask:
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
    _silence("flask-limiter")
    return app


def _throttled(bench: Bench, store: str, headers: bool) -> Subject:
    app = Flask("bench")
    kept = ThrottledRedis(server=bench.url) if store == "redis" else ThrottledMemory()
    limiter = ThrottledLimiter(
        f"{PLENTY}/m", store=kept, using="fixed_window", key_func=get_remote_address
    )
    if headers:
        limiter.init_app(app)
    app.add_url_rule(PATH, "data", limiter.limit()(lambda: "ok"))
    _check_headers(app, "RateLimit-Limit" if headers else None)
    return WsgiSubject(app, bench.clients)


class _RawSubject:
    """A bare call, without Flask, that always works."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work

    def prepare(self) -> None:
        return

    def call(self, prepared: None) -> int:
        self._work()
        return 200

    def check(self) -> None:
        return


def _ping(bench: Bench) -> Subject:
    return _RawSubject(redis.Redis.from_url(bench.url).ping)


def _noop(bench: Bench) -> Callable[[], object]:
    client = redis.Redis.from_url(bench.url)
    sha = cast("str", client.script_load(NOOP))
    return partial(client.evalsha, sha, 0)


def _raw_noop(bench: Bench) -> Subject:
    return _RawSubject(_noop(bench))


def _noop_in_flask(bench: Bench) -> Subject:
    app = bare_app()
    call = _noop(bench)

    def ask() -> None:
        call()

    app.before_request(ask)
    return WsgiSubject(app, bench.clients)


def _check_headers(app: Flask, wanted: str | None) -> None:
    """Raise unless an app sends the header, or, with None, no header on limits at all."""
    names = {name.lower() for name, _ in answer(app, environ_of(0))[1]}
    limits = {name for name in names if "ratelimit" in name}
    if (wanted is None and limits) or (wanted is not None and wanted.lower() not in limits):
        raise BenchError(f"the headers are {sorted(names)}, with {wanted} expected")


def _silence(logger: str) -> None:
    """Let log lines be made but not shown: a screen is slow."""
    logging.getLogger(logger).addHandler(logging.NullHandler())


def _exhaust(app: Flask, clients: int) -> None:
    for number in range(clients):
        while answer(app, environ_of(number))[0] != 429:
            pass


def our_name(limits: int, headers: bool, model: bool) -> str:
    """What a case of flask_irl is called."""
    number = {1: "one limit", 3: "three limits"}[limits]
    return f"{number}, {'headers' if headers else 'no headers'}{', model' if model else ''}"


def their_name(strategy: str, headers: bool, limits: int = 1) -> str:
    """What a case of a rival is called."""
    number = {1: "one limit", 3: "three limits"}[limits]
    return f"{strategy}, {number}, {'headers' if headers else 'no headers'}"


REFUSED = "refused, known to be over"


def all_cases(bench: Bench) -> list[Case]:
    """Every case, the bare one first."""
    cases = [Case(*BARE, partial(_bare, bench), bare=True)]
    three = [f"{PLENTY}/minute", f"{PLENTY * 10}/hour", f"{PLENTY * 100}/day"]
    for store in STORES:
        for limits in (1, 3):
            for headers in (True, False):
                for model in (True, False):
                    name = our_name(limits, headers, model)
                    build = partial(_ours, bench, store, limits, headers, model)
                    cases.append(Case(OURS, store, name, build))
        cases.append(Case(OURS, store, REFUSED, partial(_ours_refused, bench, store), 429))
    for store in STORES:
        for strategy in (SLIDING, MOVING, FIXED):
            for headers in (True, False):
                name = their_name(strategy, headers)
                rival = partial(_flask_limiter, bench, store, strategy, headers, three[:1])
                cases.append(Case(FLASK_LIMITER, store, name, rival))
        rival = partial(_flask_limiter, bench, store, SLIDING, True, three)
        cases.append(Case(FLASK_LIMITER, store, their_name(SLIDING, True, 3), rival))
        refused = partial(_flask_limiter_refused, bench, store)
        cases.append(Case(FLASK_LIMITER, store, REFUSED, refused, 429))
        for headers in (True, False):
            build = partial(_throttled, bench, store, headers)
            cases.append(Case(THROTTLED, store, their_name(FIXED, headers), build))
    cases.append(Case(*IN_FLASK_EVALSHA, partial(_noop_in_flask, bench)))
    cases.append(Case(*RAW_EVALSHA, partial(_raw_noop, bench), whole=False))
    cases.append(Case("redis-py", "redis", "PING, raw call", partial(_ping, bench), whole=False))
    return cases
