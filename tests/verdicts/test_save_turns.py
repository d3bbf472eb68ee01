"""Test the turns of workers that share clients: saves are spread, and nothing is lost or late."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from flask_irl.behaviour import profile
from flask_irl.behaviour.buffer import Buffer
from flask_irl.config.options import Options
from flask_irl.limiter.limiter import Limiter
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.telemetry.events import ignore
from flask_irl.verdicts import save_turns
from flask_irl.verdicts.profiler import Profiler
from flask_irl.verdicts.rules import Rules
from flask_irl.verdicts.traps import Traps
from tests.conftest import Clock
from tests.verdicts.test_judge import model_of

SETTLED = 30


class Workers:
    """Run workers that share a store; each flushes once a second, gently."""

    def __init__(self, clock: Clock, count: int) -> None:
        self.clock = clock
        self.store = MemoryStore(clock=clock)
        self.limiter = Limiter(Options(base_limit=100_000, background=False), self.store)
        self.plan = self.limiter.plan(())
        self.buffers = [Buffer() for _ in range(count)]
        self.traps = [Traps() for _ in range(count)]
        self.model = model_of(-0.1)
        self.paths = itertools.count()
        self.profilers = [
            Profiler(
                self.store,
                ladder=self.limiter.ladder,
                model=lambda: self.model,
                notify=ignore,
                ttl_seconds=3600,
                rows_capacity=1000,
                rules=Rules(),
                buffer=buffer,
                traps=traps,
                pause=lambda _: None,
                cpu_clock=itertools.count().__next__,
                monotonic=clock,
            )
            for buffer, traps in zip(self.buffers, self.traps, strict=True)
        ]

    def live(self, seconds: int, client: str = "c") -> float:
        """Have a client ask each worker once a second; give its saves a second."""
        before = self.revision(client)
        for _ in range(seconds):
            for buffer in self.buffers:
                decision = self.limiter.decide(self.plan, (client,))
                self.limiter.observe(
                    decision, route="/a", path=next(self.paths), method="GET", status=200, size=10
                )
                [observation] = self.limiter.buffer.take(1)
                buffer.add(observation)
            self.clock.advance(1)
            for profiler in self.profilers:
                profiler.flush(gently=True)
        return (self.revision(client) - before) / seconds

    def revision(self, client: str = "c") -> int:
        """Give the revision of a client."""
        [state] = self.store.load([client])
        return 0 if state is None else state.revision

    def learned(self, client: str = "c") -> float:
        """Give the requests of a client that its profile knows."""
        [state] = self.store.load([client])
        assert state is not None
        return float(profile.decode([state.profile])["total"][0])


@pytest.fixture
def workers(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Workers]:
    """Make workers of a site that has newcomers for no more than a moment."""
    monkeypatch.setattr(save_turns, "YOUNG_MINUTES", 0)
    return lambda count: Workers(clock, count)


@pytest.mark.parametrize(("count", "least", "most"), [(1, 1, 1), (2, 2, 2), (8, 1.8, 2.5)])
def test_workers_share_the_saves_of_a_client(
    workers: Callable[[int], Workers], count: int, least: float, most: float
) -> None:
    site = workers(count)
    site.live(SETTLED)
    assert least <= site.live(80) <= most


def test_many_workers_save_a_client_every_eight_seconds_each(
    workers: Callable[[int], Workers],
) -> None:
    site = workers(24)
    site.live(SETTLED)
    assert site.live(80) == pytest.approx(3, abs=0.3)


def test_every_request_is_learned_in_the_end(workers: Callable[[int], Workers]) -> None:
    site = workers(8)
    site.live(83)
    for profiler in site.profilers:
        profiler.flush()
    assert site.learned() == 8 * 83


def test_a_newcomer_is_saved_every_second(clock: Clock) -> None:
    assert Workers(clock, 8).live(20) == 8


def test_a_client_near_the_threshold_is_saved_every_second(
    workers: Callable[[int], Workers],
) -> None:
    site = workers(8)
    site.live(SETTLED)
    site.model = model_of(-0.9)
    site.live(30)
    assert site.live(20) == 8


def test_a_trap_is_not_waited_for(workers: Callable[[int], Workers]) -> None:
    site = workers(8)
    site.live(SETTLED)
    for traps in site.traps:
        traps.add("c")
    assert site.live(1) == 8
    assert not any(site.traps)


def test_no_more_waits_than_the_buffer_has_room_for(
    workers: Callable[[int], Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save_turns, "MOST_HELD", 0)
    site = workers(8)
    site.live(SETTLED)
    assert site.live(20) == 8
