"""Hold the bars of quota leases, on the twin of the store: workers that share a client."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from flask_irl.config.options import Options
from flask_irl.limiter.access import Access
from flask_irl.limiter.decider import Decider
from flask_irl.limiter.failures import Failures
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope, StrategyName
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.events import ignore
from tests.conftest import Clock
from tests.stores.lease_twin import LeaseStore

STRATEGIES = ("sliding-window-counter", "fixed-window", "gcra")
ROUTES = ("in turn", "at random", "in runs")
HISTORIES = 12
SECONDS = 20.0


class Site:
    """Workers that share a store, and the same requests counted without leases.

    Args:
        clock: The time of all.
        plan: The limits of every request.
        workers: Their number.
    """

    def __init__(self, clock: Clock, plan: Plan, workers: int) -> None:
        self.clock = clock
        self.plan = plan
        self.keys = ("c",) * len(plan.scopes)
        self.store = LeaseStore(clock=clock)
        self.plain = MemoryStore(clock=clock)
        self.workers = [self._worker(number) for number in range(workers)]
        self.mortal = False
        self.dead = self.asked = self.admitted = self.refused = 0

    def _worker(self, number: int) -> Decider:
        """Make a worker whose clock has its own origin, and a pace of its own."""
        options, pace = Options(), 1 + (number - 3) / 8000

        def monotonic() -> float:
            return (self.clock.now - 1.6e9) * pace

        failures = Failures(self.store, options, ignore)
        access = Access(options, self.store, failures, monotonic)
        worker = Decider(options, self.store, failures, access, int, monotonic)
        worker.starting.done = True
        return worker

    def kill(self, number: int) -> None:
        """End a worker as a crash would, and start another one."""
        self.dead += 1
        self.workers[number] = self._worker(number)

    def ask(self, number: int, cost: int = 1) -> None:
        """Send a request to a worker, and hold its answer against the truth."""
        worker = self.workers[number]
        begun = worker.begin(self.plan, self.keys, cost)
        decision = worker.decide(self.plan, self.keys, cost, begun)
        self.asked += 1
        if decision.admitted:
            self.admitted += 1
            truth = self.plain.hit(self.plan, self.keys, cost)
            assert truth.admitted, "admitted over the limit"
            assert decision.remaining <= truth.remaining, "more is shown than there is"
            return
        self.refused += 1
        if self.dead or decision.retry_after < 0.01:
            # What they held is lost; and a refusal is remembered by the worker's own clock.
            return
        truth = self.plain.hit(self.plan, self.keys, 0)
        assert truth.remaining < cost + max(1, truth.limit * 0.02), "refused with too much unused"

    def flush(self, number: int) -> None:
        """Give back what is unused in a worker, as it does every second."""
        self.workers[number].leases.give_back()


def limits_of(draw: random.Random, rate: float) -> tuple[Limit, ...]:
    """Draw limits that clients of a rate reach now and then."""
    window = draw.choice([2, 5, 10, 60])
    amount = max(50, int(rate * window * draw.choice([0.3, 0.7, 0.95, 1.1, 3])))
    more = Limit(max(50, amount * 5), window * 7)
    return (Limit(amount, window), more)[: draw.randint(1, 2)]


def turns(draw: random.Random, route: str, workers: int) -> Iterator[int]:
    """Give the worker of each request."""
    last = 0
    for number in itertools.count():
        if route == "in turn":
            last = number % workers
        elif route == "at random" or draw.random() < 0.03:
            last = draw.randrange(workers)
        yield last


def run(draw: random.Random, site: Site, rate: float, route: str) -> None:
    """Let a client come for a while, with pauses."""
    ends = site.clock.now + SECONDS
    flushes = [site.clock.now + draw.random() for _ in site.workers]
    for number in turns(draw, route, len(site.workers)):
        pause = draw.uniform(0.5, 4) if draw.random() < 0.002 else draw.expovariate(rate)
        site.clock.advance(pause)
        for worker, due in enumerate(flushes):
            if due <= site.clock.now:
                site.flush(worker)
                flushes[worker] = site.clock.now + 1.0
        if site.mortal and draw.random() < 0.005:
            site.kill(number)
        site.ask(number, 1 if draw.random() < 0.98 else draw.randint(0, 5))
        if site.clock.now > ends:
            return


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_workers_that_die_admit_nobody_over_the_limit(clock: Clock, strategy: StrategyName) -> None:
    draw = random.Random(f"{strategy} dying")
    dead = refused = 0
    for _ in range(HISTORIES // 2):
        limit = Limit(draw.choice([300, 500]), 10)
        site = Site(clock, Plan((Scope("", (limit,)),), strategy, (1.0,)), 2)
        site.mortal = True
        run(draw, site, 60.0, "at random")
        dead += site.dead
        refused += site.refused
    assert dead > 10
    assert refused > 20


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_client_of_many_workers_gets_its_limit_and_no_more(
    clock: Clock, strategy: StrategyName, route: str
) -> None:
    draw = random.Random(f"{strategy} {route}")
    refused = 0
    for _ in range(HISTORIES):
        rate = draw.choice([20.0, 60.0, 200.0])
        scopes = [Scope("", limits_of(draw, rate))]
        if draw.random() < 0.4:
            scopes.append(Scope("view", limits_of(draw, rate)))
        plan = Plan(tuple(scopes), strategy, (1.0,))
        site = Site(clock, plan, draw.choice([1, 2, 4, 8]))
        run(draw, site, rate, route)
        refused += site.refused
    assert refused > 100
