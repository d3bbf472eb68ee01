"""Measure the time of a request as clients, limits and routes grow."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Final

from flask import Flask

from loadtests.bench.cases.apps import OURS, Bench, bare, bare_app, check_ours, limiter_of, our_app
from loadtests.bench.cases.catalogue import BARE, STORES, Case
from loadtests.bench.cases.subject import Crowd, Subject, path_of
from loadtests.bench.measure.turns import Timing, take_turns
from loadtests.servers import redis_server

LIMITS: Final = (1, 2, 4, 8)
ROUTES: Final = (10, 100, 500)


@dataclass(frozen=True)
class Grown:
    """Hold the time of a request, in µs, at one number of clients, limits or routes.

    ``added`` is the time beyond the same app without a limiter.
    """

    by: str
    store: str
    size: int
    p50: float
    added: float


def growth(
    bench: Bench, clients: Sequence[int], generations: int, rounds: int, calls: int
) -> list[Grown]:
    """Measure at all sizes, in turn.

    Crowds of ``clients`` take too long to begin anew: they have one generation of ``rounds``, the
    cases of limits and of routes half as many in each of the generations.
    """
    first = Case(*BARE, partial(bare, bench), bare=True)
    crowds, others = [first], [first]
    with ExitStack() as servers:
        for size in clients:
            # A server of its own: keys of others are not in the way.
            own = Bench(servers.enter_context(redis_server()), bench.model, size)
            for store in STORES:
                crowds.append(_case("clients", store, size, partial(_with_clients, own, store)))
        own = Bench(servers.enter_context(redis_server()), bench.model, min(bench.clients, 500))
        for size, store in product(LIMITS, STORES):
            others.append(_case("limits", store, size, partial(_with, own, store, limits=size)))
        for size, store in product(ROUTES, ("memory", "")):
            others.append(_case("routes", store, size, partial(_with, own, store, routes=size)))
        timings = take_turns(crowds, generations=1, rounds=rounds, calls=calls)
        grown = list(_grown(timings))
        half = -(-rounds // 2)
        timings = take_turns(others, generations=generations, rounds=half, calls=calls)
        return grown + list(_grown(timings))


def _case(by: str, store: str, size: int, build: Callable[[], Subject]) -> Case:
    return Case(OURS if store else BARE[0], store, f"{size} {by}", build)


def _grown(results: Sequence[Timing]) -> Iterator[Grown]:
    timings = {timing.case.key: timing for timing in results}
    for (system, store, name), timing in timings.items():
        if system == OURS:
            size, by = name.split()
            other = timings.get((BARE[0], "", name), timings[BARE])
            added = statistics.median(timing.added(other))
            yield Grown(by, store, int(size), timing.p50, added)


def _with_clients(bench: Bench, store: str) -> Subject:
    options: dict[str, Any] = {"key_prefix": "irl-grown-"}
    if store == "memory":
        options["storage_options"] = {"max_clients": 2 * bench.clients}
    app = our_app(bench, store, **options)
    return Crowd(app, bench.clients, check=_check(app), flush=limiter_of(app).flush)


def _with(bench: Bench, store: str, limits: int = 1, routes: int = 0) -> Subject:
    app = our_app(bench, store, limits=limits) if store else bare_app()
    for number in range(routes):
        app.add_url_rule(path_of(number), f"route{number}", lambda: "ok")
    return Crowd(app, bench.clients, _check(app) if store else lambda: None, routes)


def _check(app: Flask) -> Callable[[], None]:
    return partial(check_ours, app, model=True)
