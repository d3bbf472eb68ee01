"""Schedule background jobs on a thread of APScheduler's, one scheduler per process."""

from __future__ import annotations

import contextlib
import datetime
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

FLUSH_SECONDS: Final = 1.0
POLL_SECONDS: Final = 2.0
SOON_SECONDS: Final = 1.0
"""Least time between two polls that are called for."""
EXPIRE_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 300

logger = logging.getLogger("flask_irl.schedule")
# APScheduler tells of each job that it runs, a few lines a second, and warns of each that it skips
# while the store hangs, of which events tell. By a filter, since a host's dictConfig of flask_irl's
# logger takes the levels of those below it away.
logger.addFilter(lambda record: record.levelno >= logging.ERROR)


class _UntilExit(ThreadPoolExecutor):  # type: ignore[misc]
    """Drop jobs that come due while the interpreter ends, for which APScheduler logs tracebacks.

    The interpreter waits for a job that waits for a store that hangs; no other is started.
    """

    def start(self, scheduler: Any, alias: str) -> None:
        super().start(scheduler, alias)
        self._logger = logger
        # Its thread starts now or not at all: else each job that comes due would fail by itself,
        # and wait in a queue for the thread that comes at last.
        self._pool.submit(_begin)

    def submit_job(self, job: Any, run_times: Any) -> None:
        try:
            super().submit_job(job, run_times)
        except RuntimeError as error:
            # There is no class of its own for it, and too many threads are another matter.
            if "shutdown" not in str(error):
                raise


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """Stop without waiting for the scheduler's own thread.

    It may never end: under gevent, when a process ends, nothing else may run any more.
    """

    def shutdown(self, wait: bool = True) -> None:
        # Past BackgroundScheduler's, which joins its thread whatever it is told.
        super(BackgroundScheduler, self).shutdown(wait)

    def abandon(self) -> None:
        """End what has started where not all has."""
        for executor in self._executors.values():
            executor.shutdown(wait=False)


class Schedule:
    """Run jobs on their intervals, from :meth:`start` to :meth:`end`.

    Args:
        flush: Every second; while one goes on for longer, the next one must return at once.
        poll: At once, and every two seconds.
        train: Every ``train_seconds``, and returns at once: the others wait for it. None in a
            process that never trains.
        expire: Every minute.
        train_seconds: The training interval.
        poll_seconds: The interval of ``poll``.
    """

    def __init__(
        self,
        *,
        flush: Callable[[], object],
        poll: Callable[[], object],
        train: Callable[[], object] | None,
        expire: Callable[[], object],
        train_seconds: float,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.jobs = {"flush": flush, "poll": poll, "expire": expire, "train": train}
        self._train_seconds = train_seconds
        self._poll_seconds = poll_seconds
        self._scheduler: _Scheduler | None = None
        self._ended = False
        self._next_poll = 0.0
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Tell whether this process runs the jobs."""
        return self._scheduler is not None

    def start(self, *, train_at_once: bool = False) -> None:
        """Start the jobs in this process; does nothing if they run, or after :meth:`end`.

        Args:
            train_at_once: Train now for the first time, and not only after the interval.
        """
        with self._lock:
            if self._ended or self._scheduler is not None:
                return
            # One thread, since each has memory of its own; no job takes long.
            scheduler = _Scheduler(
                executors={"default": _UntilExit(1)},
                job_defaults={
                    "coalesce": True,
                    "misfire_grace_time": GRACE_SECONDS,
                },
                timezone=datetime.UTC,
                daemon=True,
                logger=logger,
            )
            myself = weakref.ref(self)
            for name, seconds, at_once in (
                ("flush", FLUSH_SECONDS, False),
                # Changes made by operators must not wait for the first interval.
                ("poll", self._poll_seconds, True),
                ("expire", EXPIRE_SECONDS, False),
                ("train", self._train_seconds, train_at_once),
            ):
                if self.jobs[name] is not None:
                    first = {"next_run_time": datetime.datetime.now(datetime.UTC)}
                    scheduler.add_job(
                        _run_while_needed,
                        "interval",
                        args=(myself, name, scheduler),
                        id=name,
                        name=f"irl-{name}",
                        seconds=seconds,
                        # Else APScheduler warns each second of a flush that takes longer.
                        max_instances=2 if name == "flush" else 1,
                        **(first if at_once else {}),
                    )
            try:
                scheduler.start()
            except RuntimeError:
                scheduler.abandon()
                raise
            self._scheduler = scheduler

    def poll_soon(self) -> bool:
        """Run ``poll`` in a moment, once a second at most; False if the jobs don't run."""
        scheduler, now = self._scheduler, time.monotonic()
        if scheduler is None:
            return False
        if now >= self._next_poll:
            self._next_poll = now + SOON_SECONDS
            # Not where it is being ended.
            with contextlib.suppress(JobLookupError):
                scheduler.modify_job("poll", next_run_time=datetime.datetime.now(datetime.UTC))
        return True

    def end(self) -> None:
        """Stop the jobs for good, without waiting for what runs."""
        with self._lock:
            self._ended = True
            scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)

    def after_fork(self) -> None:
        """Begin anew in a forked process: threads don't survive a fork."""
        self._lock = threading.Lock()
        self._scheduler = None


def _begin() -> None:
    """Do nothing, on a thread that must start for it."""


def _run_while_needed(
    schedule: weakref.ref[Schedule], name: str, scheduler: BackgroundScheduler
) -> None:
    """Run a job of a schedule; end its threads where it went unstopped, with a limiter and its app.

    A test-suite makes apps by the hundred, and closes none.
    """
    needed = schedule()
    job = None if needed is None else needed.jobs[name]
    if job is not None:
        job()
    elif scheduler.running:
        scheduler.shutdown(wait=False)
