"""The end of a process: whatever fails on the way, all that was learned is saved."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from flask_irl.config.options import Options
from flask_irl.limiter import worker
from flask_irl.limiter.limiter import Limiter
from flask_irl.stores.memory.store import MemoryStore
from tests.recorder import Recorder

CLIENT = "192.0.2.1"


@pytest.fixture
def listener() -> Recorder:
    """Records the events of the limiter."""
    return Recorder()


@pytest.fixture
def limiter(listener: Recorder) -> Iterator[Limiter]:
    """Make a limiter that has seen three requests."""
    made = Limiter(Options(), MemoryStore(), listener=listener)
    for _ in range(3):
        decision = made.decide(made.plan(()), (CLIENT,))
        made.observe(decision, route="/", path=0, method="GET", status=200, size=0)
    yield made
    made.close()


def fail(*arguments: object, **named: object) -> Any:
    raise RuntimeError("of another world")


@pytest.mark.parametrize("step", ["worker._schedule.end", "worker.jobs.end_training", "breaker"])
def test_what_fails_before_the_last_flush_does_not_prevent_it(
    limiter: Limiter, listener: Recorder, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if step == "worker.jobs.end_training":
        jobs = limiter.worker.jobs._replace(end_training=fail)
        monkeypatch.setattr(limiter.worker, "jobs", jobs)
    elif step == "breaker":
        monkeypatch.setattr(limiter.breaker, "close", fail)
    else:
        own: Any = limiter.worker
        monkeypatch.setattr(own._schedule, "end", fail)
    limiter.close()
    assert len(limiter.profiler) == 0
    assert limiter.store.load([CLIENT])[0] is not None
    assert listener.swallowed_at == ["close"]
    monkeypatch.undo()


def test_a_limiter_that_cannot_be_closed_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Member:
        closed = False

        def __init__(self, broken: bool) -> None:
            self.broken = broken

        def close(self) -> None:
            if self.broken:
                fail()
            self.closed = True

    members = [Member(True), Member(False), Member(True), Member(False)]
    monkeypatch.setattr(worker, "_OPEN", members)
    with caplog.at_level(logging.ERROR, "flask_irl"):
        worker._close_all()
    assert [member.closed for member in members] == [False, True, False, True]
    assert [record.message.split(" error=")[0] for record in caplog.records] == [
        "limiter_error where=exit"
    ] * 2


def test_a_request_that_races_the_end_starts_no_thread(
    limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Any = limiter.worker
    schedule = own._schedule
    begin = schedule.start

    def close_first(**options: Any) -> None:
        monkeypatch.undo()
        limiter.close()
        begin(**options)

    limiter.worker.after_fork()
    monkeypatch.setattr(schedule, "start", close_first)
    limiter.worker.start()
    assert not limiter.worker.running


def test_the_last_flush_lets_a_greenlet_of_its_own_thread_end_the_flush_that_goes_on(
    limiter: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiler: Any = limiter.profiler

    class Lock:
        """One of the system's, whose holder goes on only while this thread sleeps."""

        held = True

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            assert not blocking, "this would block for ever"
            return not self.held

        def release(self) -> None:
            pass

    lock = Lock()
    monkeypatch.setattr(profiler, "_flushing", lock)
    monkeypatch.setattr(
        "flask_irl.verdicts.profiler.time.sleep", lambda seconds: setattr(lock, "held", False)
    )
    assert limiter.flush() == 3
