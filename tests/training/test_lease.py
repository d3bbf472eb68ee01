"""Test that one training runs at a time, in a process and in all workers of a store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from flask_irl.errors import StoreError, TrainingRefused
from flask_irl.model.detectors import Detector, NullDetector
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.training.background import BackgroundTraining
from flask_irl.training.lease import SECONDS, TrainingLease
from flask_irl.training.training_set import TrainingSet
from tests.conftest import Clock
from tests.training.site import WIDTH, Site

PATIENCE = 20.0


class Gate:
    """Fit nothing, and take until :meth:`open` for it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._opened = threading.Event()

    def __call__(self, training_set: TrainingSet) -> Detector:
        self.entered.set()
        assert self._opened.wait(PATIENCE)
        return NullDetector(WIDTH)

    def open(self) -> None:
        self._opened.set()


class Blocked:
    """Have a site whose trainings take until their gate opens, in the background or not."""

    def __init__(self, clock: Clock, store: MemoryStore | None = None) -> None:
        self.gate = Gate()
        self.site = Site(clock, store, fit=self.gate)
        self.trainer = self.site.trainer
        self.background = BackgroundTraining(self.trainer, call)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Train on another thread, until the end of the block."""
        thread = threading.Thread(target=self.trainer.train)
        thread.start()
        try:
            assert self.gate.entered.wait(PATIENCE)
            yield
        finally:
            self.gate.open()
            thread.join(PATIENCE)


def call(work: Callable[[], object]) -> None:
    work()


@pytest.fixture
def blocked(clock: Clock) -> Iterator[Blocked]:
    blocked = Blocked(clock)
    blocked.site.learn()
    yield blocked
    blocked.gate.open()
    blocked.background.close(PATIENCE)


def test_a_second_training_of_a_process_is_refused(blocked: Blocked) -> None:
    with blocked.training():
        second = blocked.trainer.train()
    assert (second.result, second.reason) == (
        "refused",
        "a training is running in this worker already",
    )
    assert blocked.site.store.model_version() == 1


def test_the_end_of_a_training_that_was_refused_leaves_the_lease_of_the_one_that_runs(
    blocked: Blocked,
) -> None:
    with blocked.training():
        blocked.trainer.train()
        assert not blocked.site.store.take_lease("train", "another worker", 1)
    assert blocked.site.store.take_lease("train", "another worker", 1)


def test_the_end_of_a_training_leaves_a_lease_that_a_later_one_took(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    first, second = TrainingLease(store), TrainingLease(store)
    training = first.take()
    clock.advance(SECONDS + 1)
    second.take()
    first.release(training)
    assert not store.take_lease("train", "another worker", 1)


def test_a_lease_that_the_store_could_not_give_is_taken_by_no_training(clock: Clock) -> None:
    class Failing(MemoryStore):
        def take_lease(self, name: str, owner: str, seconds: float) -> bool:
            raise StoreError("out", kind="timeout")

    lease = TrainingLease(Failing(clock=clock))
    with pytest.raises(StoreError):
        lease.take()
    assert not lease.is_taken


def test_a_scheduled_training_is_not_due_while_an_ordered_one_runs(blocked: Blocked) -> None:
    with blocked.training():
        assert blocked.trainer.tick() is None
    assert blocked.site.listener.results == ["accepted"]
    assert blocked.site.store.take_lease("tick", "another worker", 1)


def test_a_fork_may_train_while_its_parent_does(clock: Clock) -> None:
    lease = TrainingLease(MemoryStore(clock=clock))
    owner = lease.owner
    lease.take()
    lease.after_fork()
    assert not lease.is_taken
    assert lease.owner != owner


# In the background


def test_a_start_returns_while_the_training_runs(blocked: Blocked) -> None:
    blocked.background.start()
    assert blocked.gate.entered.wait(PATIENCE)
    assert blocked.trainer.last is None
    blocked.gate.open()
    blocked.background.close(PATIENCE)
    assert blocked.trainer.last is not None
    assert blocked.trainer.last.result == "accepted"


def test_a_second_start_is_refused_at_once(blocked: Blocked) -> None:
    blocked.background.start()
    with pytest.raises(TrainingRefused, match="running in this worker already"):
        blocked.background.start()


def test_a_start_is_refused_while_another_worker_trains(blocked: Blocked, clock: Clock) -> None:
    other = Blocked(clock, blocked.site.store)
    with other.training(), pytest.raises(TrainingRefused, match="another worker is training"):
        blocked.background.start()


def test_a_start_with_too_few_requests_is_refused_and_reported(clock: Clock) -> None:
    blocked = Blocked(clock)
    blocked.site.learn(clients=9, each=1)
    with pytest.raises(TrainingRefused, match="45 requests observed, at least 50"):
        blocked.background.start()
    assert blocked.trainer.last is not None
    assert blocked.trainer.last.result == "refused"
    assert blocked.site.listener.results == ["refused"]


def test_a_start_without_rows_is_refused(clock: Clock) -> None:
    blocked = Blocked(clock)
    blocked.site.store.add_counts({"requests": 500})
    with pytest.raises(TrainingRefused, match="no client has been observed for long enough"):
        blocked.background.start()


def test_a_scheduled_start_trains_once_an_interval(blocked: Blocked, clock: Clock) -> None:
    blocked.gate.open()
    blocked.background.start_if_due()
    blocked.background.start_if_due()
    blocked.background.close(PATIENCE)
    assert blocked.site.listener.results == ["accepted"]


def test_a_scheduled_start_that_is_refused_raises_nothing(clock: Clock) -> None:
    blocked = Blocked(clock)
    blocked.background.start_if_due()
    assert blocked.site.listener.results == ["refused"]


def test_closing_gives_a_running_training_up_after_a_moment(blocked: Blocked) -> None:
    blocked.background.start()
    assert blocked.gate.entered.wait(PATIENCE)
    assert blocked.background.close(0.0)
    blocked.trainer.leave()
    assert blocked.site.store.take_lease("train", "another worker", 1)


def test_after_closing_nothing_is_started_and_nothing_claimed(blocked: Blocked) -> None:
    assert not blocked.background.close()
    with pytest.raises(TrainingRefused, match="about to end"):
        blocked.background.start()
    blocked.background.start_if_due()
    assert blocked.site.store.take_lease("train", "another worker", 1)


def test_an_unexpected_error_ends_at_the_guard_and_frees_the_lease(clock: Clock) -> None:
    errors: list[Exception] = []

    def guard(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)

    def broken(training_set: TrainingSet) -> Detector:
        raise LookupError("our own fault")

    site = Site(clock, fit=broken)
    site.learn()
    background = BackgroundTraining(site.trainer, guard)
    background.start()
    background.close(PATIENCE)
    assert [str(error) for error in errors] == ["our own fault"]
    assert site.store.take_lease("train", "another worker", 1)
