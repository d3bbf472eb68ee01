"""Measure the CPU time of a request with its background work."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import redis
from flask import Flask

from loadtests.bench.cases.apps import OURS, Bench, bare_app, limiter_of, our_app
from loadtests.bench.cases.catalogue import BARE, FLASK_LIMITER
from loadtests.bench.cases.rivals import ONE_LIMIT, SLIDING, flask_limiter_app
from loadtests.bench.cases.subject import Crowd, timed_call, warm
from loadtests.bench.measure.processes import in_fork
from loadtests.servers import redis_server


@dataclass(frozen=True)
class TotalCpu:
    """Hold the CPU time per request of worker and Redis server, in µs, at a number of clients."""

    system: str
    clients: int
    worker: float
    server: float


def server_cpu(connection: redis.Redis) -> float:
    """Read the CPU seconds of a Redis server."""
    info = connection.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def total_cpu(bench: Bench, clients: Sequence[int], requests: int) -> list[TotalCpu]:
    """Measure systems on Redis at numbers of active clients, each of which asks at least once."""
    results = []
    for size in clients:
        for system in (BARE[0], OURS, FLASK_LIMITER):
            with redis_server() as url:
                own = Bench(url, bench.model, size)
                measure = partial(_measure, own, system, max(requests, size))
                results.append(TotalCpu(system, size, *in_fork(measure, f"CPU of {system}", 600.0)))
    return results


def _measure(bench: Bench, system: str, requests: int) -> tuple[float, float]:
    app, learn = _app(bench, system)
    crowd = Crowd(app, bench.clients)
    warm(crowd)
    learn()
    with redis.Redis.from_url(bench.url) as connection:
        server, worker = server_cpu(connection), time.process_time()
        for _ in range(requests):
            timed_call(crowd)
        # The cost that these requests still have.
        learn()
        worker = time.process_time() - worker
        server = server_cpu(connection) - server
    return worker / requests * 1e6, server / requests * 1e6


def _app(bench: Bench, system: str) -> tuple[Flask, Callable[[], object]]:
    if system == OURS:
        app = our_app(bench, "redis")
        return app, limiter_of(app).flush
    if system == FLASK_LIMITER:
        return flask_limiter_app(bench, "redis", SLIDING, True, ONE_LIMIT), lambda: None
    return bare_app(), lambda: None
