"""Make the small Flask app that is limited, bare and under flask_irl."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from flask import Flask

from flask_irl import IntelligentLimiter, tenant_by_path
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations import Operations
from flask_irl.telemetry.events import ClientsScored, ErrorSwallowed, Event, StoreFailed
from flask_irl.web.state import state_of
from loadtests.bench.cases import PATH, PLENTY
from loadtests.bench.cases.model import Trained
from loadtests.bench.cases.subject import BenchError, Subject, WsgiSubject, answer, environ_of

FEW: Final = 5
"""Limit, in requests an hour, that every client exceeds."""
HOUR: Final = 3600
OURS: Final = "flask_irl"


@dataclass(frozen=True)
class Bench:
    """Share a Redis server, a model and a number of clients between all cases."""

    url: str
    model: Trained
    clients: int

    def uri(self, store: str) -> str:
        """Give the storage URI of a kind of store."""
        return self.url if store == "redis" else "memory://"


class Watch:
    """Notice failures of flask_irl that clients don't see, and count scores other than 0."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.judged = 0

    def notify(self, event: Event) -> None:
        """Count an event of the limiter."""
        match event:
            case ClientsScored(scores):
                self.judged += int(np.count_nonzero(scores))
            case StoreFailed(kind):
                self.failures.append(f"the store failed ({kind})")
            case ErrorSwallowed(where):
                self.failures.append(f"an error in {where}")


def bare_app() -> Flask:
    """Make the app that is limited: one route, a few bytes."""
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
    """Make the app under flask_irl, with background work as in production.

    Of several limits one is on all requests, the others on the route. ``options`` are added to, or
    replace, those of the benchmark.
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
    """Write limits over different windows that no client reaches."""
    first = [f"{PLENTY}/minute", f"{PLENTY * 10}/hour"][:count]
    return ";".join(first + [f"{PLENTY * n}/{n} minute" for n in range(2, count)])


def limiter_of(app: Flask) -> Limiter:
    """Give the limiter behind an app under flask_irl."""
    return state_of(app).limiter


def check_ours(app: Flask, *, model: bool) -> None:
    """Raise :class:`BenchError` if an app lost its store, or has not the model it should have."""
    if failures := app.config["BENCH_WATCH"].failures:
        raise BenchError(f"{len(failures)} times: {failures[0]}")
    limiter = limiter_of(app)
    if limiter.breaker.is_open:
        raise BenchError("the store is given up")
    current = limiter.trainer.model
    if model != (current.version > 0 and not current.advisory):
        raise BenchError(f"model {current.version} is in force, advisory: {current.advisory}")


def bare(bench: Bench) -> Subject:
    """Make the app without a limiter."""
    return WsgiSubject(bare_app(), bench.clients)


def ours(bench: Bench, store: str, limits: int, headers: bool, model: bool) -> Subject:
    """Make the app under flask_irl, every client within its limit."""
    app = our_app(bench, store, limits=limits, headers=headers, model=model)
    check = partial(check_ours, app, model=model)
    return admitted(app, bench, "X-RateLimit-Limit" if headers else None, check)


def ours_planned(bench: Bench, store: str, *, told: bool) -> Subject:
    """Make the app under flask_irl with rate plans, every client within that.

    Args:
        bench: Server, model and clients.
        store: Kind of the store.
        told: Whether a function of the app's tells each request's plan; else all clients have the
            default plan.
    """
    app = our_app(
        bench,
        store,
        plans={"free": f"{PLENTY}/minute", "pro": f"{PLENTY * 2}/minute"},
        default_plan="free",
        plan_of=(lambda: "free") if told else None,
        key_prefix=f"irl-plans-{told:d}-",
    )
    return admitted(app, bench, "X-RateLimit-Limit", partial(check_ours, app, model=True))


@dataclass
class KeyedSubject(WsgiSubject):
    """Call an app for clients that send API keys, in rotation."""

    keys: Sequence[str] = ()

    def prepare(self) -> dict[str, Any]:
        """Make the WSGI environment of the next request."""
        return {**super().prepare(), "HTTP_X_API_KEY": self.keys[(self._calls - 1) % self.clients]}


def ours_keyed(bench: Bench, store: str) -> Subject:
    """Make the app under flask_irl, every client within its limit and known by its API key."""
    options: dict[str, Any] = {"api_keys": True, "api_key_secret": "of the bench alone"}
    app = our_app(bench, store, key_prefix="irl-keyed-", **options)
    issue = Operations(limiter_of(app)).api_keys.issue
    clients = min(bench.clients, 100)
    keys = [issue(name="bench", owner="bench", who="bench")["key"] for _ in range(clients)]
    return KeyedSubject(app, clients, partial(check_ours, app, model=True), keys=keys)


def ours_of_tenant(bench: Bench, store: str) -> Subject:
    """Make the app under flask_irl, every client a tenant's and within its limit."""
    app = our_app(
        bench,
        store,
        tenant_of=tenant_by_path({PATH: "a"}),
        tenants={"a": {}},
        key_prefix="irl-tenant-",
    )
    bench.model.install(state_of(app).limiter_for("a"))
    return admitted(app, bench, "X-RateLimit-Limit", partial(check_ours, app, model=True))


def ours_refused(bench: Bench, store: str) -> Subject:
    """Make the app under flask_irl, every client over its limit and known to be."""
    app = our_app(bench, store, base_limit=FEW, window_seconds=HOUR, key_prefix="irl-refused-")
    clients = min(bench.clients, 100)
    for number in range(clients):
        while answer(app, environ_of(number))[0] != 429:
            pass
    return WsgiSubject(app, clients, partial(check_ours, app, model=True))


def admitted(
    app: Flask, bench: Bench, header: str | None, check: Callable[[], None] = lambda: None
) -> Subject:
    """Make a subject of an app that admits every client, and check its headers on limits.

    It must send ``header``, or no header on limits at all if that is None.
    """
    names = {name.lower() for name, _ in answer(app, environ_of(0))[1]}
    limits = {name for name in names if "ratelimit" in name}
    if limits if header is None else header.lower() not in limits:
        raise BenchError(f"the headers are {sorted(names)}, with {header} expected")
    return WsgiSubject(app, bench.clients, check)


def silence(logger: str) -> None:
    """Let log lines be made but not shown: a screen is slow."""
    logging.getLogger(logger).addHandler(logging.NullHandler())
