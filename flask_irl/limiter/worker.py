"""Run a limiter's background jobs in this process, and follow its forks and its end."""

from __future__ import annotations

import atexit
import functools
import os
import weakref
from collections.abc import Callable
from typing import NamedTuple, Protocol

from flask_irl.limiter.failures import Failures
from flask_irl.limiter.schedule import Schedule


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
    """

    flush: Callable[[], object]
    refresh: Callable[[], object]
    train: Callable[[], object] | None
    end_training: Callable[[], bool]
    leave_training: Callable[[], object]
    expire: Callable[[], object]


class Worker:
    """Run jobs on schedule, none of them while the store is out but to drop idle clients.

    Args:
        failures: Takes the jobs' errors.
        jobs: The jobs.
        train_seconds: The training interval.
    """

    def __init__(self, failures: Failures, jobs: Jobs, *, train_seconds: float) -> None:
        self._failures = failures
        self._jobs = jobs
        self._closed = False
        self._schedule = Schedule(
            flush=functools.partial(self._run, "flush", jobs.flush),
            poll=functools.partial(self._run, "poll", jobs.refresh),
            train=None if jobs.train is None else functools.partial(self._run, "train", jobs.train),
            expire=functools.partial(failures.guard, "expire", jobs.expire),
            train_seconds=train_seconds,
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
        if not self._closed:
            self._schedule.start(train_at_once=train_at_once)

    def close(self) -> None:
        """Stop the jobs for good, without waiting for those that run."""
        self._closed = True
        self._schedule.stop()
        if self._jobs.end_training():
            self._run("close", self._jobs.leave_training)

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent's threads aren't here."""
        self._schedule.after_fork()

    def _run(self, where: str, job: Callable[[], object]) -> None:
        if not self._failures.breaker.is_open:
            self._failures.guard(where, job)


class Follower(Protocol):
    """Follow the process: begin anew in a forked one, end with it."""

    def after_fork(self) -> None:
        """Begin anew in a forked process."""

    def close(self) -> None:
        """End."""


_FOLLOWERS: weakref.WeakSet[Follower] = weakref.WeakSet()


def follow_process(follower: Follower) -> None:
    """Tell an object, while it lives, of the process's forks and its end."""
    _FOLLOWERS.add(follower)


def _after_fork() -> None:
    for follower in list(_FOLLOWERS):
        follower.after_fork()


def _at_exit() -> None:
    for follower in list(_FOLLOWERS):
        follower.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
