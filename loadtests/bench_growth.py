"""How the time of a request grows with clients, with limits and with routes."""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from flask import Flask

from loadtests.bench_apps import OURS, Bench, bare, bare_app, check_ours, limiter_of, our_app
from loadtests.bench_cases import BARE, STORES
from loadtests.bench_harness import Case, Timing, take_turns
from loadtests.bench_server import redis_server
from loadtests.bench_subject import Subject, answer, environ_of

LIMITS = (1, 2, 4, 8)
ROUTES = (10, 100, 500)
FLUSH_EVERY = 5_000


@dataclass(frozen=True)
class Grown:
    """The time of a request at one size.

    Attributes:
        by: What there are so many of: ``clients``, ``limits`` or ``routes``.
        store: ``memory`` or ``redis``.
        size: How many.
        p50: µs.
        added: µs beyond the same app without a limiter.
    """

    by: str
    store: str
    size: int
    p50: float
    added: float


class Crowd:
    """Requests of clients, or to routes, drawn at random from many.

    Args:
        app: The app.
        clients: Different addresses.
        routes: Different paths, or 0 for the one of all benchmarks.
        verify: Raises if the app isn't in the state it claims.
        flush: Lets the app learn; called now and then while all clients come for the first time.
    """

    def __init__(
        self,
        app: Flask,
        clients: int,
        routes: int = 0,
        verify: Callable[[], None] = lambda: None,
        flush: Callable[[], object] = lambda: None,
    ) -> None:
        self.warm_up = clients
        self._app = app
        self._environ = environ_of(0)
        self._clients = clients
        self._routes = routes
        self._verify = verify
        self._flush = flush
        self._asked = 0
        self._random = Random(7)

    def prepare(self) -> dict[str, Any]:
        environ = self._environ.copy()
        # At first each of them, in turn.
        first = self._asked < self._clients
        number = self._asked if first else self._random.randrange(self._clients)
        environ["REMOTE_ADDR"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        if self._routes:
            environ["PATH_INFO"] = path_of(number % self._routes)
        environ["wsgi.input"] = io.BytesIO()
        return environ

    def call(self, prepared: dict[str, Any]) -> int:
        if self._asked <= self._clients:
            self._asked += 1
            if self._asked % FLUSH_EVERY == 0:
                self._flush()
        return answer(self._app, prepared)[0]

    def check(self) -> None:
        self._verify()


def path_of(number: int) -> str:
    """The path of a route of an app that has many."""
    return f"/api/section{number % 10}/thing{number}"


def growth(
    bench: Bench, clients: Sequence[int], *, generations: int, rounds: int, calls: int
) -> list[Grown]:
    """Measure at all sizes, in turn.

    Args:
        bench: What all cases share.
        clients: Sizes of crowds.
        generations: How often the cases of limits and of routes begin anew; crowds take too long.
        rounds: Turns of each case, for crowds; half of that in each generation of the others.
        calls: Measured requests in each turn.

    Raises:
        BenchError: A case failed.
    """
    with ExitStack() as servers:
        bare_one = Case(*BARE, partial(bare, bench), bare=True)
        crowds = [bare_one]
        for size in clients:
            # A server of its own: what others keep there is not in the way.
            own = Bench(servers.enter_context(redis_server()), bench.model, size)
            for store in STORES:
                crowds.append(_case("clients", store, size, partial(_with_clients, own, store)))
        own = Bench(servers.enter_context(redis_server()), bench.model, min(bench.clients, 500))
        others = [bare_one]
        for size in LIMITS:
            for store in STORES:
                build = partial(_with_limits, own, store, size)
                others.append(_case("limits", store, size, build))
        for size in ROUTES:
            others.append(_case("routes", "memory", size, partial(_with_routes, own, size)))
            others.append(_case("routes", "", size, partial(_bare_with_routes, own, size)))
        found = take_turns(crowds, generations=1, rounds=rounds, calls=calls)
        grown = list(_grown(found))
        found = take_turns(others, generations=generations, rounds=-(-rounds // 2), calls=calls)
        return grown + list(_grown(found))


def _case(by: str, store: str, size: int, build: Callable[[], Subject]) -> Case:
    return Case(OURS if store else BARE[0], store, f"{size} {by}", build)


def _grown(found: Sequence[Timing]) -> Iterator[Grown]:
    timings = {timing.case.key: timing for timing in found}
    bare_one = timings[BARE]
    for (system, store, name), timing in timings.items():
        if system != OURS:
            continue
        size, by = name.split()
        other = timings.get((BARE[0], "", name), bare_one)
        added = statistics.median(timing.added(other))
        yield Grown(by, store, int(size), timing.p50, added)


def _with_clients(bench: Bench, store: str) -> Subject:
    options: dict[str, Any] = {"key_prefix": "irl-grown-"}
    if store == "memory":
        options["storage_options"] = {"max_clients": 2 * bench.clients}
    app = our_app(bench, store, **options)
    verify = partial(check_ours, app, model=True)
    return Crowd(app, bench.clients, verify=verify, flush=limiter_of(app).flush)


def _with_limits(bench: Bench, store: str, limits: int) -> Subject:
    app = our_app(bench, store, limits=limits)
    return Crowd(app, bench.clients, verify=partial(check_ours, app, model=True))


def _with_routes(bench: Bench, routes: int) -> Subject:
    app = our_app(bench, "memory")
    _add_routes(app, routes)
    return Crowd(app, bench.clients, routes, partial(check_ours, app, model=True))


def _bare_with_routes(bench: Bench, routes: int) -> Subject:
    app = bare_app()
    _add_routes(app, routes)
    return Crowd(app, bench.clients, routes)


def _add_routes(app: Flask, routes: int) -> None:
    for number in range(routes):
        app.add_url_rule(path_of(number), f"route{number}", lambda: "ok")
