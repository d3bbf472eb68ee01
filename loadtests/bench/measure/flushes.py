"""Measure the CPU time of a worker's flush, for each request that it learns from.

Time is virtual, and flushes are a second of it apart, with pauses for requests as in a worker.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final

import redis

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.stores.open import open_store
from loadtests.bench.cases import PATH, PLENTY
from loadtests.bench.cases.apps import OURS, Bench, silence
from loadtests.bench.cases.catalogue import STORES
from loadtests.bench.cases.model import PATHS, START
from loadtests.bench.cases.subject import BenchError, address_of
from loadtests.bench.measure.cpu import server_cpu
from loadtests.bench.measure.processes import in_fork
from loadtests.servers import redis_server

MEMORY: Final = "memory://"
FLUSHES: Final = 10
"""Flushes of a round, a second apart: the history of clients is told in one of them."""


@dataclass(frozen=True)
class FlushCost:
    """Hold the CPU time of flushes per observation, in µs, at a number of clients.

    ``worker`` is the time of the thread that flushes, ``server`` that of Redis; medians of rounds.
    """

    store: str
    clients: int
    history: bool
    worker: float
    server: float


def flush_costs(
    bench: Bench, clients: Sequence[int], observations: int, rounds: int
) -> list[FlushCost]:
    """Measure flushes with and without a history, in turn, on each store.

    Args:
        bench: Has the model.
        clients: Numbers of clients, which ask in turn.
        observations: Those of a flush.
        rounds: Rounds of ten flushes.
    """
    results: list[FlushCost] = []
    for size in clients:
        for store in STORES:
            with redis_server() if store == "redis" else nullcontext(MEMORY) as uri:
                measure = partial(_measure, Bench(uri, bench.model, size), observations, rounds)
                results += in_fork(measure, f"flushes of {size:,} clients", 600.0)
    return results


def _measure(bench: Bench, observations: int, rounds: int) -> list[FlushCost]:
    sites = [_Site(bench, observations, history=history) for history in (True, False)]
    found: list[list[tuple[float, float]]] = [[] for _ in sites]
    # The first round brings the clients to their lasting state.
    for number in range(rounds + 1):
        for site, figures in zip(sites, found, strict=True):
            figures += [site.flush(FLUSHES)][: min(number, 1)]
    for site in sites:
        site.close()
    return [
        FlushCost(
            site.kind, bench.clients, site.history, *map(statistics.median, zip(*own, strict=True))
        )
        for site, own in zip(sites, found, strict=True)
    ]


class _Site:
    """Let clients ask in turn, and flush once a second of virtual time."""

    def __init__(self, bench: Bench, observations: int, *, history: bool) -> None:
        silence(OURS)
        self._now = START
        self.history = history
        self.kind = "memory" if bench.url == MEMORY else "redis"
        options = Options(
            storage_uri=bench.url,
            storage_options={"max_clients": 2 * bench.clients} if bench.url == MEMORY else {},
            key_prefix=f"irl-{history:d}-",
            base_limit=PLENTY,
            learning_minutes=0.0,
            background=False,
            store_timeout=5.0,
        )
        store = open_store(options, self._clock)
        store.keeps_history = history
        self._server = None if self.kind == "memory" else redis.Redis.from_url(bench.url)
        self._limiter = Limiter(options, store, monotonic=self._clock)
        bench.model.install(self._limiter)
        # A flush rests for most of its second, which costs no CPU.
        self._limiter.profiler._pause = _no_pause
        self._clients, self._observations = bench.clients, observations
        self._asked = 0
        plan = self._limiter.plan(())
        self._decisions = [
            self._limiter.decide(plan, (address_of(number),)) for number in range(bench.clients)
        ]

    def _clock(self) -> float:
        return self._now

    def flush(self, times: int) -> tuple[float, float]:
        """Flush; gives the CPU time of this thread and of Redis per observation, in µs."""
        flush, worker, before = self._limiter.worker.jobs.flush, 0.0, self._served()
        for _ in range(times):
            self._observe()
            started = time.thread_time()
            flush()
            worker += time.thread_time() - started
        if left := self._limiter.profiler.waiting_total():
            raise BenchError(f"{left} observations wait after a flush")
        count = times * self._observations
        return worker / count * 1e6, (self._served() - before) / count * 1e6

    def close(self) -> None:
        """Close the connections."""
        self._limiter.close()
        if self._server is not None:
            self._server.close()

    def _observe(self) -> None:
        """Observe the requests of a second."""
        pause = 1.0 / self._observations
        gap = self._clients * pause
        for _ in range(self._observations):
            self._now += pause
            decision = self._decisions[self._asked % self._clients]
            self._limiter.observe(
                decision._replace(at=self._now, gap=gap),
                route=PATH,
                path=self._asked % PATHS,
                method="GET",
                status=200,
                size=900,
            )
            self._asked += 1

    def _served(self) -> float:
        return 0.0 if self._server is None else server_cpu(self._server)


def _no_pause(_: float) -> None:
    time.sleep(0)
