"""All CPU time of a request: its own and that of the background work it causes, on Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection

import redis
from flask import Flask

from loadtests.bench_apps import OURS, PLENTY, Bench, bare_app, limiter_of, our_app
from loadtests.bench_cases import BARE, FLASK_LIMITER
from loadtests.bench_growth import Crowd
from loadtests.bench_harness import forked, received
from loadtests.bench_rivals import SLIDING, flask_limiter_app
from loadtests.bench_server import redis_server
from loadtests.bench_subject import BenchError


@dataclass(frozen=True)
class TotalCpu:
    """CPU time per request, in µs.

    Attributes:
        system: Whose.
        clients: Active ones.
        worker: Of the worker's process, all its threads.
        server: Of the Redis server's.
    """

    system: str
    clients: int
    worker: float
    server: float


def total_cpu(bench: Bench, clients: Sequence[int], requests: int) -> list[TotalCpu]:
    """Measure each system with so many active clients; each has at least ``requests`` requests.

    Raises:
        BenchError: A request failed.
    """
    found = []
    for size in clients:
        for system in (BARE[0], OURS, FLASK_LIMITER):
            with redis_server() as url:
                own = Bench(url, bench.model, size)
                with forked(partial(_measure, own, system, max(requests, size)), system) as pipe:
                    worker, server = received(pipe, f"CPU of {system}", 600.0)
            found.append(TotalCpu(system, size, worker, server))
    return found


def _measure(bench: Bench, system: str, requests: int, pipe: Connection) -> None:
    app, learn = _app(bench, system)
    crowd = Crowd(app, bench.clients)
    for _ in range(crowd.warm_up):
        crowd.call(crowd.prepare())
    learn()
    with redis.Redis.from_url(bench.url) as connection:
        server = -_server_cpu(connection)
        worker = -time.process_time()
        for _ in range(requests):
            if crowd.call(crowd.prepare()) != 200:
                raise BenchError("a request was refused")
        # What they are still to cost.
        learn()
        worker += time.process_time()
        server += _server_cpu(connection)
    pipe.send((worker / requests * 1e6, server / requests * 1e6))


def _app(bench: Bench, system: str) -> tuple[Flask, Callable[[], object]]:
    if system == OURS:
        app = our_app(bench, "redis")
        return app, limiter_of(app).flush
    if system == FLASK_LIMITER:
        limits = [f"{PLENTY}/minute"]
        return flask_limiter_app(bench, "redis", SLIDING, True, limits), _nothing
    return bare_app(), _nothing


def _nothing() -> None:
    return


def _server_cpu(connection: redis.Redis) -> float:
    info = connection.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
