"""Adapt APScheduler, which only a process that runs background jobs loads."""

from __future__ import annotations

import contextlib
import datetime
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

SET_SECONDS: Final = 1.0
"""Least time by which a clock must have been set for the jobs to follow it."""
ENDED: Final = "no job is taken after the shutdown"

logger = logging.getLogger("flask_irl.schedule")
# APScheduler tells of each job that it runs, a few lines a second, and warns of each that it skips
# while the store hangs, of which events tell. By a filter, since a host's dictConfig of flask_irl's
# logger takes the levels of those below it away.
logger.addFilter(lambda record: record.levelno >= logging.ERROR)


class JobThread:
    """Run work on one thread, one after the other, as a pool of ``concurrent.futures`` does.

    It is a daemon: an interpreter that ends waits for the threads of such a pool, and so for a job
    that waits for a store that hangs.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._work = queue.SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="irl-jobs", daemon=True)

    def start(self) -> None:
        """Start the thread; raise ``RuntimeError`` where none is to be had."""
        self._thread.start()

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run work as soon as what came before is done.

        Raises:
            RuntimeError: It is shut down.
        """
        if self._ended:
            raise RuntimeError(ENDED)
        future: Future[Any] = Future()
        self._work.put((future, lambda: work(*arguments)))
        return future

    def shutdown(self, wait: bool = True) -> None:
        """Take no more work, and end when what goes on is done."""
        self._ended = True
        self._work.put(None)
        if wait:
            self._thread.join()

    def join(self, seconds: float) -> None:
        """Wait for its end, so many seconds at most; not where it never began, or is this one."""
        if self._thread.ident not in (None, threading.get_ident()):
            self._thread.join(seconds)

    def _run(self) -> None:
        while (item := self._work.get()) is not None and not self._ended:
            future, work = item
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            # Else what the job had lives on until the next one.
            del item, future, work


class UntilExit(BasePoolExecutor):  # type: ignore[misc]
    """Drop jobs that come due while the schedule ends, for which APScheduler logs tracebacks."""

    def __init__(self) -> None:
        super().__init__(JobThread())
        self.join = self._pool.join

    def start(self, scheduler: Any, alias: str) -> None:
        super().start(scheduler, alias)
        self._logger = logger
        # Its thread starts now or not at all: else each job that comes due would fail by itself,
        # and wait in a queue for the thread that comes at last.
        self._pool.start()

    def submit_job(self, job: Any, run_times: Any) -> None:
        try:
            super().submit_job(job, run_times)
        except RuntimeError as error:
            # There is no class of its own for it, and too many threads are another matter.
            if "shutdown" not in str(error):
                raise


class Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """Run jobs on their intervals whatever the host's clock does, and stop without waiting.

    APScheduler goes by the host's clock: set back by an hour, it would run no job for an hour; set
    to now from 1970, as at the start of a host without a battery, it would list each run that was
    due since. Its thread may never end: under gevent, when a process ends, nothing else may run.
    """

    _ahead = 0.0

    def start(self, *args: Any, **options: Any) -> None:
        self._ahead = time.time() - time.monotonic()
        super().start(*args, **options)

    def _process_jobs(self) -> Any:
        self._follow_clock()
        return super()._process_jobs()

    def _follow_clock(self) -> None:
        with self._jobstores_lock:
            ahead = time.time() - time.monotonic()
            moved, self._ahead = ahead - self._ahead, ahead
            if abs(moved) > SET_SECONDS:
                for job in self.get_jobs():
                    job.modify(next_run_time=job.next_run_time + datetime.timedelta(seconds=moved))

    def tell_skipped(self, skipped: Callable[[str], object]) -> None:
        """Tell the name of each job that is due while it still runs."""
        self.add_listener(lambda event: skipped(event.job_id), EVENT_JOB_MAX_INSTANCES)

    def run_now(self, name: str) -> None:
        """Run a job as soon as can be; does nothing where the jobs are being ended."""
        with contextlib.suppress(JobLookupError), self._jobstores_lock:
            # First: else the time given here, by the clock as it is, would follow it once more.
            self._follow_clock()
            self.modify_job(name, next_run_time=datetime.datetime.now(datetime.UTC))

    def join(self, seconds: float) -> None:
        """Wait for the end of the job that runs, so many seconds at most."""
        for executor in self._executors.values():
            executor.join(seconds)

    def abandon(self) -> None:
        """End what has started where not all has."""
        for executor in self._executors.values():
            executor.shutdown(wait=False)

    def shutdown(self, wait: bool = True) -> None:
        # Past BackgroundScheduler's, which joins its thread whatever it is told.
        super(BackgroundScheduler, self).shutdown(wait)
