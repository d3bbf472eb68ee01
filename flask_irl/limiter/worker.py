"""Run a limiter's background jobs in this process, and follow its forks and its end."""

from __future__ import annotations

import atexit
import functools
import weakref
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from flask_irl.limiter.failures import Failures
from flask_irl.limiter.late_learning import load
from flask_irl.limiter.schedule import POLL_SECONDS, Schedule
from flask_irl.limiter.starting import StartReport
from flask_irl.telemetry.forks import renew_after_fork
from flask_irl.telemetry.log import failure

JOIN_SECONDS: Final = 0.2
"""Longest wait for a background job when a process ends."""


class Jobs(NamedTuple):
    """Name the background jobs of a limiter; each may raise.

    Attributes:
        flush: Merges observations and judges clients, with pauses.
        refresh: Takes up changes made elsewhere.
        train: Starts a training if it is this process's turn, and returns at once; None in a
            process that never trains.
        end_training: Starts no training any more; tells whether one still runs.
        leave_training: Leaves the turn to other workers, in the midst of a training.
        expire: Drops idle clients.
        tell: Tells others, if it is time to, that this process lives.
    """

    flush: Callable[[], object]
    refresh: Callable[[], object]
    train: Callable[[], object] | None
    end_training: Callable[[], bool]
    leave_training: Callable[[], object]
    expire: Callable[[], object]
    tell: Callable[[], object]


class Others(Protocol):
    """Have jobs of their own, which are done on the same thread."""

    def flush(self) -> None:
        """Flush those that have something to, or had a moment ago."""

    def refresh(self) -> None:
        """Take up changes made elsewhere, the worker's own included."""

    def train(self) -> None:
        """Put all into the queue for a training, the worker's own included."""

    def expire(self) -> None:
        """Drop their idle clients."""


class Worker:
    """Run jobs on schedule, none of them while the store is out but to drop idle clients.

    Args:
        failures: Takes the jobs' errors.
        jobs: The jobs.
        train_seconds: The training interval.
        poll_seconds: Time between two looks for changes made elsewhere.

    Attributes:
        jobs: The jobs.
        others: Further limiters of the same app, which have no thread of their own.
    """

    def __init__(
        self,
        failures: Failures,
        jobs: Jobs,
        *,
        train_seconds: float,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._failures = failures
        self.jobs = jobs
        self.others: Others | None = None
        report = StartReport(failures)
        self._schedule = Schedule(
            flush=self._flush,
            poll=self._poll,
            train=None if jobs.train is None else self._train,
            expire=self._expire,
            train_seconds=train_seconds,
            poll_seconds=poll_seconds,
            load=load,
            guard=functools.partial(failures.guard, "start"),
            waits=report.failed,
            started=report.succeeded,
            skipped=failures.job_skipped,
        )

    @property
    def running(self) -> bool:
        """Tell whether this process runs the jobs."""
        return self._schedule.running

    def start(self, *, train_at_once: bool = False) -> None:
        """Start the jobs in this process; does nothing if they run, or after :meth:`close`.

        Args:
            train_at_once: Train now for the first time, and not only after the interval.
        """
        self._schedule.start(train_at_once=train_at_once)

    def poll_soon(self) -> bool:
        """Look for changes made elsewhere in a moment; False if the jobs don't run."""
        return self._schedule.poll_soon()

    def close(self) -> None:
        """Stop the jobs for good, without waiting for those that run; never raises."""
        self._failures.guard("close", self._schedule.end)
        self._failures.guard("close", self._end_training)

    def join(self) -> None:
        """Wait a moment for the job that ran when they were stopped; never raises.

        A thread that is in native code when the interpreter ends may bring it down.
        """
        self._failures.guard("close", functools.partial(self._schedule.join, JOIN_SECONDS))

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent's threads aren't here."""
        self._schedule.after_fork()

    def _end_training(self) -> None:
        if self.jobs.end_training():
            self._run("close", self.jobs.leave_training)

    def _flush(self) -> None:
        self._run("flush", self.jobs.flush)
        if self.others is not None:
            self.others.flush()

    def _poll(self) -> None:
        if self.others is None:
            self._run("poll", self.jobs.refresh)
        else:
            self._run("poll", self.others.refresh)
        self._run("poll", self.jobs.tell)

    def _train(self) -> None:
        if self.others is not None:
            self.others.train()
        elif self.jobs.train is not None:
            self._run("train", self.jobs.train)

    def _expire(self) -> None:
        self._failures.guard("expire", self.jobs.expire)
        if self.others is not None:
            self.others.expire()

    def _run(self, where: str, job: Callable[[], object]) -> None:
        if not self._failures.breaker.is_open:
            self._failures.guard(where, job)


class Closable(Protocol):
    """Hold threads, buffers and connections of a process."""

    def after_fork(self) -> None:
        """Begin anew in a forked process."""

    def close(self) -> None:
        """End them."""


def follow_process(member: Closable) -> None:
    """Renew an object in each forked process, and close it when this one ends, while it lives."""
    renew_after_fork(member)
    _OPEN.add(member)


def _close_all() -> None:
    for member in list(_OPEN):
        try:
            member.close()
        except Exception as error:
            # The others have something to save, too.
            failure("limiter_error", error, where="exit")


_OPEN: Final[weakref.WeakSet[Closable]] = weakref.WeakSet()
atexit.register(_close_all)
