"""The breaker opens after a few failures, probes, and closes when the store answers again."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from flask_irl.stores.breaker import FAILURES, PAUSES, Breaker
from tests.servers import wait_until

SOON = 10.0
"""Seconds to wait at most for what another thread does at once."""


class Store:
    """A store whose probes wait for the test's word; tells of probes and changes as they come."""

    def __init__(self, pause: float = 0.0) -> None:
        # A breaker of another test may still be ending.
        self._others = set(threading.enumerate())
        self.answers: queue.Queue[bool] = queue.Queue()
        self.probes: queue.Queue[str] = queue.Queue()
        self.changes: queue.Queue[tuple[bool, str]] = queue.Queue()
        self.breaker = Breaker(
            self.probe, lambda *change: self.changes.put(change), pauses=(pause,)
        )

    def probe(self) -> None:
        self.probes.put(threading.current_thread().name)
        if not self.answers.get(timeout=SOON):
            raise OSError("still out")

    def probers(self) -> list[threading.Thread]:
        """List the threads that probe it."""
        named = [t for t in threading.enumerate() if t.name == "irl-probe"]
        return [t for t in named if t not in self._others]

    def fail(self, times: int = FAILURES, text: str = "out") -> None:
        for _ in range(times):
            self.breaker.failure(OSError(text))

    def change(self) -> tuple[bool, str]:
        return self.changes.get(timeout=SOON)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    probers = store.probers()
    store.breaker.close()
    store.answers.put(False)
    for prober in probers:
        prober.join(SOON)
        assert not prober.is_alive()


def test_it_opens_at_the_third_failure_in_a_row_and_not_before(store: Store) -> None:
    store.fail(times=2)
    assert not store.breaker.is_open
    assert store.changes.empty()
    store.fail(times=1, text="the last straw")
    assert store.breaker.is_open
    assert store.change() == (True, "the last straw")


def test_a_success_in_between_begins_the_count_anew(store: Store) -> None:
    store.fail(times=2)
    store.breaker.success()
    store.fail(times=2)
    assert not store.breaker.is_open
    store.fail(times=1)
    assert store.breaker.is_open


def test_it_opens_at_as_many_failures_as_it_is_told() -> None:
    changes: list[tuple[bool, str]] = []
    breaker = Breaker(lambda: None, lambda *change: changes.append(change), failures=1)
    breaker.failure(OSError("out"))
    assert changes == [(True, "out")]
    breaker.close()


def test_an_opening_is_told_once_however_many_failures_follow(store: Store) -> None:
    store.fail(times=20)
    assert store.change() == (True, "out")
    assert store.changes.empty()


def test_it_is_probed_on_a_thread_of_its_own_until_the_store_answers(store: Store) -> None:
    store.fail()
    for _ in range(3):
        assert store.probes.get(timeout=SOON) == "irl-probe"
        store.answers.put(False)
    assert store.probes.get(timeout=SOON)
    assert store.breaker.is_open
    assert store.change() == (True, "out")
    store.answers.put(True)
    assert store.change() == (False, "")
    assert not store.breaker.is_open


def test_a_success_of_a_late_call_does_not_close_it(store: Store) -> None:
    store.fail()
    store.breaker.success()
    assert store.breaker.is_open


def test_once_closed_it_opens_again_at_the_third_failure(store: Store) -> None:
    store.fail()
    store.answers.put(True)
    assert [store.change(), store.change()] == [(True, "out"), (False, "")]
    store.fail(times=2)
    assert not store.breaker.is_open
    store.fail(times=1, text="again")
    assert store.change() == (True, "again")
    store.answers.put(True)
    assert store.change() == (False, "")
    assert store.changes.empty()


def test_there_is_one_prober_at_a_time(store: Store) -> None:
    store.fail(times=20)
    assert store.probes.get(timeout=SOON)
    assert len(store.probers()) == 1


def test_close_ends_the_prober_and_tells_nothing(store: Store) -> None:
    store.fail()
    assert store.probes.get(timeout=SOON)
    (prober,) = store.probers()
    store.breaker.close()
    store.answers.put(True)
    prober.join(SOON)
    assert not prober.is_alive()
    assert store.change() == (True, "out")
    assert store.changes.empty()


def test_close_ends_a_pause() -> None:
    store = Store(pause=3600.0)
    store.fail()
    (prober,) = store.probers()
    store.breaker.close()
    prober.join(SOON)
    assert not prober.is_alive()
    assert store.probes.empty()


def test_after_close_no_failure_starts_a_prober(store: Store) -> None:
    store.breaker.close()
    store.fail(times=20)
    assert store.probers() == []
    assert store.changes.empty()


def test_a_reset_one_is_closed_and_works(store: Store) -> None:
    store.breaker.close()
    store.fail()
    store.breaker.reset()
    assert not store.breaker.is_open
    store.fail(times=2)
    assert not store.breaker.is_open
    store.fail(times=1)
    assert store.change() == (True, "out")


def test_a_listener_that_fails_does_not_leave_it_open_for_ever() -> None:
    closed = threading.Event()

    def changed(lost: bool, reason: str) -> None:
        if lost:
            raise ValueError("listener")
        closed.set()

    breaker = Breaker(lambda: None, changed, failures=1)
    with pytest.raises(ValueError, match="listener"):
        breaker.failure(OSError("out"))
    assert closed.wait(SOON)
    assert not breaker.is_open


def test_the_pauses_between_probes_grow_and_then_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    probes: list[None] = []
    closed = threading.Event()
    wait = threading.Event.wait

    def recorded(self: threading.Event, timeout: float | None = None) -> bool:
        if timeout not in PAUSES or threading.current_thread().name != "irl-probe":
            return wait(self, timeout)
        pauses.append(timeout)
        return self.is_set()

    def probe() -> None:
        probes.append(None)
        if len(probes) < len(PAUSES) + 2:
            raise OSError("out")

    def report(lost: bool, reason: str) -> None:
        if not lost:
            closed.set()

    monkeypatch.setattr(threading.Event, "wait", recorded)
    breaker = Breaker(probe, report, failures=1)
    breaker.failure(OSError("out"))
    assert closed.wait(SOON)
    assert pauses == [*PAUSES, PAUSES[-1], PAUSES[-1]]


def test_changes_are_reported_in_their_order_also_when_it_opens_again_at_once() -> None:
    changes: list[bool] = []
    probes: list[None] = []
    reporting_back, opened_again, over = (threading.Event() for _ in range(3))

    def probe() -> None:
        probes.append(None)
        if len(probes) > 1:
            over.wait(SOON)
            raise OSError("still out")

    def report(lost: bool, reason: str) -> None:
        if not lost:
            reporting_back.set()
            assert opened_again.wait(SOON)
        changes.append(lost)

    breaker = Breaker(probe, report, failures=1, pauses=(0.0,))
    breaker.failure(OSError("out"))
    assert reporting_back.wait(SOON)
    failing = threading.Thread(target=breaker.failure, args=(OSError("again"),))
    failing.start()
    wait_until(lambda: breaker.is_open, "the breaker to open again", SOON)
    # Time enough for a report that would overtake the other one.
    failing.join(0.2)
    opened_again.set()
    failing.join(SOON)
    breaker.close()
    over.set()
    assert changes == [True, False, True]


def test_without_a_thread_to_probe_it_stays_closed_and_opens_when_there_is_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", refuse)
        store.fail()
        assert not store.breaker.is_open
        assert store.changes.empty()
    store.fail(times=1)
    assert store.breaker.is_open
    assert store.change()[0]


def test_without_a_thread_nothing_is_left_to_report_for_another_thread(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        # As a thread that is reporting just now.
        store.breaker._report_changes()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    store.fail()
    assert store.changes.empty()
    assert not store.breaker.is_open
