"""Schedule background jobs on a thread of APScheduler's, one scheduler per process."""

from __future__ import annotations

import datetime
import os
import socket
import threading
import time
import weakref
import zlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from flask_irl.limiter.starting import PAUSE_SECONDS

if TYPE_CHECKING:
    from flask_irl.limiter.scheduler import Scheduler

START_SECONDS: Final = 0.2
"""Time until what the jobs need is loaded, so that the first request isn't held up by it."""
FLUSH_SECONDS: Final = 1.0
POLL_SECONDS: Final = 2.0
SOON_SECONDS: Final = 1.0
"""Least time between two polls that are called for."""
EXPIRE_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 300
GOLDEN: Final = 0.6180339887498949
SPREAD: Final = frozenset({"flush", "poll"})
"""Jobs of which each process has its own moment; the others are rare."""


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
        load: Loads what the jobs need, before the first of them.
        guard: Runs what loads, and takes its errors.
        waits: Takes the error where no thread is to be had for the jobs; they start later then.
        started: Called when they have started.
        retry_seconds: Time until they are tried again.
        skipped: Takes the name of a job that is due while it still runs, and is left out.
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
        load: Callable[[], object] = lambda: None,
        guard: Callable[[Callable[[], object]], object] = lambda work: work(),
        waits: Callable[[RuntimeError], object] = lambda error: None,
        started: Callable[[], object] = lambda: None,
        retry_seconds: float = PAUSE_SECONDS,
        skipped: Callable[[str], object] = lambda name: None,
    ) -> None:
        self.jobs = {"flush": flush, "poll": poll, "expire": expire, "train": train}
        self._train_seconds = train_seconds
        self._poll_seconds = poll_seconds
        self._load = load
        self._guard = guard
        self._waits = waits
        self._started = started
        self._retry_seconds = retry_seconds
        self._skipped = skipped
        self._ended = False
        self._next_poll = 0.0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._starter: threading.Thread | None = None
        self._scheduler: Scheduler | None = None
        self._ending: Scheduler | None = None

    @property
    def running(self) -> bool:
        """Tell whether this process runs the jobs."""
        return self._starter is not None

    def start(self, *, train_at_once: bool = False) -> None:
        """Start the jobs in this process; does nothing if they run, or after :meth:`end`.

        Args:
            train_at_once: Train now for the first time, and not only after the interval.
        """
        with self._lock:
            if self._ended or self._starter is not None:
                return
            # What the jobs need takes longer to load than a request to answer.
            starter = threading.Thread(
                target=self._guard,
                args=(partial(self._begin, train_at_once),),
                name="irl-start",
                daemon=True,
            )
            starter.start()
            self._starter = starter

    def _begin(self, train_at_once: bool) -> None:
        pause = START_SECONDS
        while not self._stopped.wait(pause):
            try:
                self._load()
                self._schedule(train_at_once)
            except RuntimeError as error:
                # An interpreter that ends starts no thread, and loads nothing that would.
                if "shutdown" in str(error):
                    return
                self._waits(error)
                pause = self._retry_seconds
            else:
                self._started()
                return

    def _schedule(self, train_at_once: bool) -> None:
        from flask_irl.limiter.scheduler import Scheduler, UntilExit, logger

        with self._lock:
            if self._ended:
                return
            # One thread, since each has memory of its own; no job takes long.
            scheduler = Scheduler(
                executors={"default": UntilExit()},
                job_defaults={
                    "coalesce": True,
                    "misfire_grace_time": GRACE_SECONDS,
                },
                timezone=datetime.UTC,
                daemon=True,
                logger=logger,
            )
            myself = weakref.ref(self)
            now = datetime.datetime.now(datetime.UTC)
            phase = phase_of_process()
            for name, seconds, at_once in (
                ("flush", FLUSH_SECONDS, False),
                # Changes made by operators must not wait for the first interval.
                ("poll", self._poll_seconds, True),
                ("expire", EXPIRE_SECONDS, False),
                ("train", self._train_seconds, train_at_once),
            ):
                if self.jobs[name] is not None:
                    start = now + datetime.timedelta(seconds=seconds)
                    if name in SPREAD:
                        start = _next_at(phase * seconds, seconds)
                    scheduler.add_job(
                        _run_while_needed,
                        "interval",
                        args=(myself, name, scheduler),
                        id=name,
                        name=f"irl-{name}",
                        seconds=seconds,
                        start_date=start,
                        # Else APScheduler warns each second of a flush that takes longer.
                        max_instances=2 if name == "flush" else 1,
                        **({"next_run_time": now} if at_once else {}),
                    )
            scheduler.tell_skipped(partial(_tell_skipped, myself))
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
            # They begin with one.
            return self.running
        if now >= self._next_poll:
            self._next_poll = now + SOON_SECONDS
            scheduler.run_now("poll")
        return True

    def end(self) -> None:
        """Stop the jobs for good, without waiting for what runs."""
        with self._lock:
            self._ended = True
            self._starter = None
            scheduler, self._scheduler = self._scheduler, None
        self._stopped.set()
        if scheduler is not None:
            scheduler.shutdown(wait=False)
            self._ending = scheduler

    def join(self, seconds: float) -> None:
        """Wait for the job that ran at the :meth:`end`, so many seconds at most."""
        if self._ending is not None:
            self._ending.join(seconds)

    def after_fork(self) -> None:
        """Begin anew in a forked process: threads don't survive a fork."""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._starter = self._scheduler = self._ending = None


def phase_of_process() -> float:
    """Choose the part of each interval, 0 to 1, at which this process runs its jobs.

    Workers of a host have numbers that are close together, which the golden ratio spreads best: no
    two of them have their flush at the same moment, whether they began together or not.
    """
    host = zlib.crc32(socket.gethostname().encode(errors="replace")) / 2**32
    return (host + os.getpid() * GOLDEN) % 1.0


def _next_at(phase: float, seconds: float) -> datetime.datetime:
    """Give the next time that is so many seconds after a whole number of intervals."""
    now = time.time()
    at = now - now % seconds + phase
    return datetime.datetime.fromtimestamp(at if at > now else at + seconds, datetime.UTC)


def _run_while_needed(schedule: weakref.ref[Schedule], name: str, scheduler: Scheduler) -> None:
    """Run a job of a schedule; end its threads where it went unstopped, with a limiter and its app.

    A test-suite makes apps by the hundred, and closes none.
    """
    needed = schedule()
    job = None if needed is None else needed.jobs[name]
    if job is not None:
        job()
    elif scheduler.running:
        scheduler.shutdown(wait=False)


def _tell_skipped(schedule: weakref.ref[Schedule], name: str) -> None:
    """Tell of a skipped job; a thread of the scheduler's must keep no app alive."""
    needed = schedule()
    if needed is not None:
        needed._skipped(name)
