"""Count the calls of Redis, and the CPU time, of clients that ask often, with and without leases.

Time is virtual, so that the counts are the same on every machine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import redis

from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.stores.open import open_store
from loadtests.bench.cases import PLENTY
from loadtests.bench.cases.subject import BenchError, address_of
from loadtests.bench.measure.cpu import server_cpu
from loadtests.servers import redis_server

RATE: Final = 10.0
"""Requests a second of each client."""
WARM_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Leased:
    """Hold the figures of a number of clients that go round a number of workers.

    Calls are scripts that the server ran for 1,000 requests, the return of what is unused
    included; times are CPU time per request in µs, of the decision alone and of the server.
    """

    leases: bool
    clients: int
    workers: int
    calls: float
    worker: float
    server: float


class _Clock:
    """Give the time, which moves by hand."""

    def __init__(self) -> None:
        self.now = 1.7e9

    def __call__(self) -> float:
        return self.now


def dense_clients(clients: int, workers: int, seconds: float, *, leases: bool) -> Leased:
    """Measure clients that each ask ten times a second, in workers of this process, in turn."""
    with redis_server() as url, redis.Redis.from_url(url) as server:
        clock = _Clock()
        options = Options(storage_uri=url, base_limit=PLENTY, leases=leases, store_timeout=5.0)
        limiters = [
            Limiter(options, open_store(options, clock), monotonic=clock) for _ in range(workers)
        ]
        for limiter in limiters:
            # Closed, it runs nothing in real time.
            limiter.worker.close()
            limiter.start()
        site = _Site(clock, limiters, clients)
        site.run(WARM_SECONDS)
        calls, cpu, worker = _calls(server), server_cpu(server), time.process_time()
        requests = site.run(seconds)
        worker = time.process_time() - worker
        cpu, calls = server_cpu(server) - cpu, _calls(server) - calls
        for limiter in limiters:
            limiter.close()
    return Leased(
        leases,
        clients,
        workers,
        calls / requests * 1000,
        worker / requests * 1e6,
        cpu / requests * 1e6,
    )


class _Site:
    def __init__(self, clock: _Clock, limiters: list[Limiter], clients: int) -> None:
        self._clock = clock
        self._limiters = limiters
        self._keys = [(address_of(number),) for number in range(clients)]
        self._plans = [limiter.plan(()) for limiter in limiters]
        self._round = 0

    def run(self, seconds: float) -> int:
        """Let the clients ask for so long, and count their requests."""
        rounds = int(seconds * RATE)
        pause = 1 / RATE / len(self._keys)
        for _ in range(rounds):
            self._round += 1
            if self._round % int(RATE) == 0:
                for limiter in self._limiters:
                    limiter.leases.give_back()
            for number, keys in enumerate(self._keys):
                self._clock.now += pause
                decision = self._ask((self._round + number) % len(self._limiters), keys)
                if not decision.admitted or decision.source != "store":
                    raise BenchError(f"a dense client was answered {decision}")
        return rounds * len(self._keys)

    def _ask(self, worker: int, keys: tuple[str, ...]) -> Decision:
        limiter, plan = self._limiters[worker], self._plans[worker]
        return limiter.decide(plan, keys, 1, limiter.begin(plan, keys, 1))


def _calls(server: redis.Redis) -> int:
    return int(server.info("commandstats")["cmdstat_evalsha"]["calls"])
