"""Run the background jobs of many limiters in turn, on the thread of one: those of tenants.

What is done for a limiter costs as much as has happened to it: one that has had no request for a
while isn't flushed, and is asked about together with the others. Trainings come one at a time in a
process; first comes who has waited longest.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from flask_irl.behaviour.buffer import Buffer
from flask_irl.limiter.failures import Failures
from flask_irl.limiter.worker import Jobs, Worker
from flask_irl.stores.base import Store
from flask_irl.stores.site import Revisions
from flask_irl.telemetry.log import named

ACTIVE_SECONDS: Final = 420.0
"""Time for which a limiter is flushed after its last request: until attacks have their end."""
IDLE_AT_ONCE: Final = 100
"""Limiters without requests that one poll asks about at most; then come the next ones."""
TURNS_AT_ONCE: Final = 10
"""Limiters that one poll asks whether they are to be trained."""


class Member(Protocol):
    """Describe a limiter that takes its turn."""

    failures: Failures
    buffer: Buffer
    store: Store
    tenant: str

    def refresh(self, news: Revisions | None = None) -> None:
        """Take up changes made elsewhere."""

    @property
    def is_training(self) -> bool:
        """Tell whether a training of it runs in this process."""

    @property
    def is_used(self) -> bool:
        """Tell whether it has decided on requests that a flush has to do with."""


class Companions(Protocol):
    """Hold the limiters that take their turns beside another one, and end and renew with it."""

    @property
    def rounds(self) -> Rounds:
        """Give their rounds."""

    def close(self) -> None:
        """End them; never raises."""

    def after_fork(self) -> None:
        """Begin anew in a forked process."""


class Turn:
    """Stand for the worker of a limiter whose jobs another one's runs.

    Args:
        rounds: Runs them.
        member: The limiter.
        jobs: Its jobs.

    Attributes:
        last_seen: When it had its last request, by the rounds' clock.
        trained: When it had its last turn to train.
        always: Whether it may be to be trained without a request of its own.
    """

    def __init__(self, rounds: Rounds, member: Member, jobs: Jobs) -> None:
        self._rounds = rounds
        self.member = member
        self.jobs = jobs
        self.last_seen = self.trained = -ACTIVE_SECONDS
        self.always = False

    @property
    def running(self) -> bool:
        """Tell whether this process runs the jobs."""
        return self._rounds.worker.running

    def start(self, *, train_at_once: bool = False) -> None:
        """Start the jobs of all in this process; does nothing if they run."""
        self._rounds.worker.start(train_at_once=train_at_once)

    def poll_soon(self) -> bool:
        """Look for changes made elsewhere in a moment; False if the jobs don't run."""
        return self._rounds.worker.poll_soon()

    def close(self) -> None:
        """End the limiter's part; never raises."""
        self._rounds.leave(self)
        if self.jobs.end_training():
            self.member.failures.guard("close", self.jobs.leave_training)

    def join(self) -> None:
        """Do nothing: whoever has the thread waits for it."""

    def after_fork(self) -> None:
        """Begin anew in a forked process: it has had no request here."""
        self.last_seen = self.trained = -ACTIVE_SECONDS


class Rounds:
    """Run the jobs of limiters beside those of a first one, whose worker has the thread.

    Args:
        first: The first limiter.
        worker: Its worker.
        monotonic: Seconds of a clock that is never set.

    Attributes:
        worker: Has the thread.
        failures: Those of the first: it breaks the circuit, and tells the store's time, for all,
            since they share the store's connections.
        open_all: Adds the limiters of which other processes have the requests, where this one
            trains for all; else None.
    """

    def __init__(
        self,
        first: Member,
        worker: Worker,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.worker = worker
        self.failures = first.failures
        self.open_all: Callable[[], object] | None = None
        self._first = Turn(self, first, worker.jobs)
        self._first.always = True
        self._turns: list[Turn] = []
        self._monotonic = monotonic
        self._next_idle = 0
        self._queue: list[Turn] = []

    def turn(self, member: Member, jobs: Jobs, *, always: bool = False) -> Turn:
        """Add a limiter, and give what stands for its worker.

        Args:
            member: The limiter.
            jobs: Its jobs.
            always: Whether it may be to be trained without a request of its own.
        """
        turn = Turn(self, member, jobs)
        turn.always = always
        self._turns = [*self._turns, turn]
        return turn

    def leave(self, turn: Turn) -> None:
        """Run the jobs of a limiter no more."""
        self._turns = [other for other in self._turns if other is not turn]

    def flush(self) -> None:
        """Flush those that had requests lately, the one with the fewest to merge first."""
        if self.failures.breaker.is_open:
            return
        now = self._monotonic()
        waiting = {turn: turn.member.buffer.count() for turn in self._turns}
        for turn, count in sorted(waiting.items(), key=lambda item: item[1]):
            if count or turn.member.is_used:
                turn.last_seen = now
            if now - turn.last_seen < ACTIVE_SECONDS:
                self._run(turn, "flush", turn.jobs.flush)

    def refresh(self) -> None:
        """Take up changes made elsewhere; one round trip asks for all, the first included.

        Raises:
            StoreError: The store failed.
        """
        now = self._monotonic()
        active = [turn for turn in self._turns if now - turn.last_seen < ACTIVE_SECONDS]
        asked = [self._first, *active, *self._some_idle(active)]
        news = self._first.member.store.revisions_of([turn.member.store for turn in asked])
        for turn, found in zip(asked, news, strict=True):
            self._run(turn, "poll", functools.partial(turn.member.refresh, found))
        for turn in active:
            self._run(turn, "poll", turn.jobs.tell)
        self._train_next()

    def train(self) -> None:
        """Put all that may have learned something into the queue for a training."""
        everybody = self.open_all is not None
        if self.open_all is not None:
            self._run(self._first, "train", self.open_all)
        for turn in (self._first, *self._turns):
            seen = turn.last_seen > turn.trained or turn.always or everybody
            if turn.jobs.train is not None and seen and turn not in self._queue:
                self._queue.append(turn)
        self._train_next()

    def expire(self) -> None:
        """Drop idle clients."""
        for turn in self._turns:
            with named(turn.member.tenant):
                turn.member.failures.guard("expire", turn.jobs.expire)

    def _train_next(self) -> None:
        """Train who has waited longest, if nobody's training runs."""
        for _ in range(TURNS_AT_ONCE):
            if not self._queue or any(turn.member.is_training for turn in self._all()):
                return
            turn = min(self._queue, key=lambda turn: turn.trained)
            self._queue.remove(turn)
            turn.trained = self._monotonic()
            if turn.jobs.train is not None:
                self._run(turn, "train", turn.jobs.train)

    def _all(self) -> Iterator[Turn]:
        yield self._first
        yield from self._turns

    def _some_idle(self, active: list[Turn]) -> list[Turn]:
        """Choose the idle ones to be asked about now: so many at most, then the next ones."""
        idle = [turn for turn in self._turns if turn not in active]
        start = self._next_idle if self._next_idle < len(idle) else 0
        chosen = idle[start : start + IDLE_AT_ONCE]
        self._next_idle = start + len(chosen)
        return chosen

    def _run(self, turn: Turn, where: str, job: Callable[[], object]) -> None:
        if not self.failures.breaker.is_open:
            with named(turn.member.tenant):
                turn.member.failures.guard(where, job)
