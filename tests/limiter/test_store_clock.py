"""Tell the time of a store, whatever the clock of this host does."""

from __future__ import annotations

import time

import pytest

from flask_irl.limiter.store_clock import StoreClock
from flask_irl.stores.memory.store import MemoryStore
from tests.conftest import Clock


class Remote(MemoryStore):
    """The embedded store, as one that is elsewhere."""

    local = False


def test_the_time_is_that_of_the_store_as_it_told_last(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, monotonic = Clock(5_000.0), Clock(100.0)
    clock = StoreClock(Remote(clock=theirs), monotonic)
    clock.ask()
    monotonic.advance(7.0)
    theirs.advance(60.0)
    monkeypatch.setattr(time, "time", lambda: 9.0)
    assert clock() == 5_007.0
    clock.ask()
    assert clock() == 5_060.0


def test_the_time_is_that_of_the_host_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 9_000.0)
    monotonic = Clock(100.0)
    clock = StoreClock(Remote(clock=Clock(5_000.0)), monotonic)
    monotonic.advance(1.0)
    assert clock() == 9_001.0


def test_an_embedded_store_is_asked_each_time() -> None:
    theirs = Clock(5_000.0)
    clock = StoreClock(MemoryStore(clock=theirs), Clock(0.0))
    assert clock() == 5_000.0
    theirs.advance(-60.0)
    clock.ask()
    assert clock() == 4_940.0
