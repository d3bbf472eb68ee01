"""Measure CPU time: of a request with its background work, and of that work alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import redis
from flask import Flask

from loadtests.bench.cases.apps import OURS, Bench, bare_app, limiter_of, our_app
from loadtests.bench.cases.catalogue import BARE, FLASK_LIMITER, STORES
from loadtests.bench.cases.rivals import ONE_LIMIT, SLIDING, flask_limiter_app
from loadtests.bench.cases.subject import Crowd, WsgiSubject, timed_call, warm
from loadtests.bench.measure.processes import in_fork
from loadtests.servers import redis_server


@dataclass(frozen=True)
class TotalCpu:
    """Hold the CPU time per request of worker and Redis server, in µs, at a number of clients."""

    system: str
    clients: int
    worker: float
    server: float


@dataclass
class CpuTime:
    """Add up CPU seconds of this process, all its threads, and of a Redis server, if any."""

    connection: redis.Redis | None
    worker: float = 0.0
    server: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add the time of a block."""
        server = server_cpu(self.connection)
        worker = time.process_time()
        yield
        self.worker += time.process_time() - worker
        self.server += server_cpu(self.connection) - server

    def per_request(self, requests: int) -> tuple[float, float]:
        """Give the time of worker and server per request, in µs."""
        return self.worker / requests * 1e6, self.server / requests * 1e6


def server_cpu(connection: redis.Redis | None) -> float:
    """Read the CPU seconds of a Redis server; 0 without one."""
    if connection is None:
        return 0.0
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
        cpu_time = CpuTime(connection)
        with cpu_time.running():
            for _ in range(requests):
                timed_call(crowd)
            # The cost that these requests still have.
            learn()
    return cpu_time.per_request(requests)


def _app(bench: Bench, system: str) -> tuple[Flask, Callable[[], object]]:
    if system == OURS:
        app = our_app(bench, "redis")
        return app, limiter_of(app).flush
    if system == FLASK_LIMITER:
        return flask_limiter_app(bench, "redis", SLIDING, True, ONE_LIMIT), lambda: None
    return bare_app(), lambda: None


def flush_cpu(bench: Bench, requests: int) -> dict[str, tuple[float, float]]:
    """Measure learning, off a request's path, with a model, by store.

    Give µs per request of worker and server.
    """
    return {
        store: in_fork(partial(_flush, bench, store, requests), f"flush on {store}")
        for store in STORES
    }


def _flush(bench: Bench, store: str, requests: int) -> tuple[float, float]:
    app = our_app(bench, store, background=False, key_prefix="irl-flush-")
    limiter = limiter_of(app)
    subject = WsgiSubject(app, bench.clients)
    warm(subject)
    limiter.flush()
    cpu_time = CpuTime(redis.Redis.from_url(bench.url) if store == "redis" else None)
    merged = 0
    for _ in range(3):
        for _ in range(requests // 3 + 1):
            subject.call(subject.prepare())
        with cpu_time.running():
            merged += limiter.flush()
    return cpu_time.per_request(merged)
