"""The small Flask app that is limited, bare and under flask_irl."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.limiter.limiter import Limiter
from flask_irl.telemetry.events import ClientsScored, ErrorSwallowed, Event, StoreFailed
from flask_irl.web.state import state_of
from loadtests.bench_model import Trained
from loadtests.bench_subject import PATH, BenchError, Subject, WsgiSubject, answer, environ_of

PLENTY = 1_000_000
"""Requests a minute: nobody gets there, and nobody is refused."""
FEW = 5
HOUR = 3600
OURS = "flask_irl"


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


class Watch:
    """Notices when flask_irl answers without its store, or keeps an error to itself.

    Attributes:
        failures: What went wrong.
        judged: How often a client got a score other than 0.
    """

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.judged = 0

    def notify(self, event: Event) -> None:
        match event:
            case ClientsScored(scores):
                self.judged += int(np.count_nonzero(scores))
            case StoreFailed(kind):
                self.failures.append(f"the store failed ({kind})")
            case ErrorSwallowed(where):
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
        limits: 1 for the one on all requests; more for the route's own beside it.
        headers: Whether headers are sent.
        model: Whether a model is in force.
        **options: Further options, or others.
    """
    silence(OURS)
    app = Flask("bench")
    watch = Watch()
    settings: dict[str, Any] = {
        "storage_uri": bench.uri(store),
        "key_prefix": f"irl-{limits}-{headers:d}-{model:d}-",
        "base_limit": PLENTY,
        "headers_enabled": headers,
        "training_interval_minutes": 24 * 60.0,
        "learning_minutes": 0,
        # On a busy machine a server may be slow for once: that must not end the benchmark.
        "store_timeout": 2.0,
    }
    limiter = IntelligentLimiter(app, listener=watch, **(settings | options))
    view: Callable[[], str] = lambda: "ok"  # noqa: E731
    if limits > 1:
        view = limiter.limit(limits_of_route(limits - 1))(view)
    app.add_url_rule(PATH, "data", view)
    app.config["BENCH_WATCH"] = watch
    if model:
        bench.model.install(limiter_of(app))
    return app


def limits_of_route(count: int) -> str:
    """So many limits over different windows, none of which anybody reaches."""
    first = [f"{PLENTY}/minute", f"{PLENTY * 10}/hour"][:count]
    return ";".join(first + [f"{PLENTY * n}/{n} minute" for n in range(2, count)])


def limiter_of(app: Flask) -> Limiter:
    """The engine behind an app under flask_irl."""
    return state_of(app).limiter


def watch_of(app: Flask) -> Watch:
    """What was noticed of an app under flask_irl."""
    watch: Watch = app.config["BENCH_WATCH"]
    return watch


def check_ours(app: Flask, *, model: bool) -> None:
    """Raise :class:`BenchError` if an app didn't ask its store, or has no model where it should."""
    watch = watch_of(app)
    if watch.failures:
        raise BenchError(f"{len(watch.failures)} times: {watch.failures[0]}")
    limiter = limiter_of(app)
    if limiter.breaker.is_open:
        raise BenchError("the store is given up")
    current = limiter.trainer.model
    if model != (current.version > 0 and not current.advisory):
        raise BenchError(f"model {current.version} is in force, advisory: {current.advisory}")


def bare(bench: Bench) -> Subject:
    """The app without a limiter."""
    return WsgiSubject(bare_app(), bench.clients)


def ours(bench: Bench, store: str, limits: int, headers: bool, model: bool) -> Subject:
    """The app under flask_irl, everybody admitted."""
    app = our_app(bench, store, limits=limits, headers=headers, model=model)
    check_headers(app, "X-RateLimit-Limit" if headers else None)
    return WsgiSubject(app, bench.clients, partial(check_ours, app, model=model))


def ours_refused(bench: Bench, store: str) -> Subject:
    """The app under flask_irl, everybody over the limit and known to be."""
    app = our_app(bench, store, base_limit=FEW, window_seconds=HOUR, key_prefix="irl-refused-")
    clients = min(bench.clients, 100)
    exhaust(app, clients)
    return WsgiSubject(app, clients, partial(check_ours, app, model=True))


def check_headers(app: Flask, wanted: str | None) -> None:
    """Raise unless an app sends the header, or, with None, no header on limits at all."""
    names = {name.lower() for name, _ in answer(app, environ_of(0))[1]}
    limits = {name for name in names if "ratelimit" in name}
    if (wanted is None and limits) or (wanted is not None and wanted.lower() not in limits):
        raise BenchError(f"the headers are {sorted(names)}, with {wanted} expected")


def silence(logger: str) -> None:
    """Let log lines be made but not shown: a screen is slow."""
    logging.getLogger(logger).addHandler(logging.NullHandler())


def exhaust(app: Flask, clients: int) -> None:
    """Ask as so many clients until each is refused."""
    for number in range(clients):
        while answer(app, environ_of(number))[0] != 429:
            pass
