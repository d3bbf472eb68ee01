"""Run jobs on their intervals without a word, and end the schedule with the interpreter."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from logging.config import dictConfig
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MAX_INSTANCES

from flask_irl.limiter import scheduler as scheduler_module
from flask_irl.limiter.schedule import Schedule, phase_of_process
from flask_irl.limiter.scheduler import Scheduler, UntilExit

LONGEST = 10
"""Seconds in which what is awaited comes."""

SCRIPT = """
import threading
from flask_irl.limiter.schedule import Schedule

flushing, goes_on = threading.Event(), threading.Event()

def flush():
    flushing.set()
    goes_on.wait()

schedule = Schedule(
    flush=flush, poll=lambda: None, train=None, expire=lambda: None, train_seconds=60
)
schedule.start()
flushing.wait()
# The interpreter waits for the flush as it would with a store that hangs, and another job is due.
threading.Timer(1.5, goes_on.set).start()
"""


def test_a_job_that_is_due_while_the_interpreter_ends_is_dropped_without_a_word() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


HANGING = """
import threading
from flask_irl.limiter.schedule import Schedule

flushing = threading.Event()

def flush():
    flushing.set()
    threading.Event().wait()

schedule = Schedule(
    flush=flush, poll=lambda: None, train=None, expire=lambda: None, train_seconds=60
)
schedule.start()
flushing.wait()
"""


def test_an_interpreter_waits_for_no_job_that_hangs() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def idle(*, poll: Callable[[], object] = lambda: None, **changes: Any) -> Schedule:
    """Make a schedule whose jobs do nothing."""
    return Schedule(
        flush=lambda: None,
        poll=poll,
        train=None,
        expire=lambda: None,
        train_seconds=60,
        **changes,
    )


def begin(schedule: Schedule) -> None:
    """Start a schedule, and wait until its jobs are."""
    schedule.start()
    assert schedule._starter is not None
    schedule._starter.join()


def log_until(caplog: pytest.LogCaptureFixture, poll: Callable[[], object], event: int) -> str:
    """Poll until APScheduler has an event, and give the log of a host that wants all of it."""
    happened = threading.Event()
    caplog.set_level(logging.DEBUG)
    schedule = idle(poll=poll, poll_seconds=0.01)
    begin(schedule)
    assert schedule._scheduler is not None
    schedule._scheduler.add_listener(lambda _: happened.set(), event)
    assert happened.wait(LONGEST)
    schedule.end()
    return caplog.text


def test_jobs_run_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    assert log_until(caplog, lambda: None, EVENT_JOB_EXECUTED) == ""


def test_jobs_run_without_a_word_where_the_host_configures_the_packages_logger(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def configure(level: str) -> None:
        loggers = {"flask_irl": {"level": level}}
        dictConfig({"version": 1, "disable_existing_loggers": False, "loggers": loggers})

    configure("DEBUG")
    try:
        assert log_until(caplog, lambda: None, EVENT_JOB_EXECUTED) == ""
    finally:
        configure("NOTSET")


def test_a_job_that_is_skipped_while_one_hangs_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    goes_on = threading.Event()
    try:
        assert log_until(caplog, goes_on.wait, EVENT_JOB_MAX_INSTANCES) == ""
    finally:
        goes_on.set()


def test_a_job_that_is_skipped_is_counted_by_its_name() -> None:
    told: list[str] = []
    goes_on, happened = threading.Event(), threading.Event()

    def skipped(name: str) -> None:
        told.append(name)
        happened.set()

    schedule = idle(poll=goes_on.wait, poll_seconds=0.01, skipped=skipped)
    schedule.start()
    try:
        assert happened.wait(LONGEST)
    finally:
        goes_on.set()
        schedule.end()
    assert set(told) == {"poll"}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("can't register atexit after shutdown"), []),
        (ImportError("no numpy"), ["no numpy"]),
    ],
    ids=str,
)
def test_an_error_of_loading_is_told_unless_the_interpreter_ends(
    error: Exception, told: list[str]
) -> None:
    heard: list[str] = []

    def load() -> None:
        raise error

    def guard(work: Callable[[], object]) -> None:
        try:
            work()
        except ImportError as error:
            heard.append(str(error))

    schedule = idle(load=load, guard=guard)
    begin(schedule)
    schedule.end()
    assert heard == told


def test_jobs_that_find_no_thread_start_later() -> None:
    waits: list[str] = []
    started = threading.Event()

    def load() -> None:
        if len(waits) < 2:
            raise RuntimeError("can't start new thread")

    schedule = idle(
        load=load,
        waits=lambda error: waits.append(str(error)),
        started=started.set,
        retry_seconds=0.01,
    )
    begin(schedule)
    schedule.end()
    assert waits == ["can't start new thread"] * 2
    assert started.is_set()


def test_the_job_that_runs_at_the_end_can_be_waited_for() -> None:
    running, goes_on = threading.Event(), threading.Event()
    done: list[str] = []

    def poll() -> None:
        running.set()
        goes_on.wait(LONGEST)
        done.append("poll")

    schedule = idle(poll=poll)
    schedule.start()
    assert running.wait(LONGEST)
    schedule.end()
    schedule.join(0.0)
    assert done == []
    goes_on.set()
    schedule.join(LONGEST)
    assert done == ["poll"]


class SetTime:
    """Give another time than the real one, whose clock went on all along."""

    def __init__(self, now: float) -> None:
        self._now = now
        self.monotonic = time.monotonic

    def time(self) -> float:
        return self._now


def test_a_job_that_is_called_for_as_the_clock_is_set_is_due_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheduler = Scheduler(executors={"default": UntilExit()}, timezone=UTC)
    scheduler.add_job(int, "interval", id="poll", minutes=5)
    scheduler.start(paused=True)
    try:
        monkeypatch.setattr(scheduler_module, "time", SetTime(time.time() + 3600))
        scheduler.run_now("poll")
        scheduler._process_jobs()
        due: datetime = scheduler.get_job("poll").next_run_time
    finally:
        scheduler.shutdown()
    assert due - datetime.now(UTC) < timedelta(minutes=1)


def test_a_job_that_raises_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def poll() -> None:
        raise ZeroDivisionError

    assert "ZeroDivisionError" in log_until(caplog, poll, EVENT_JOB_ERROR)


def test_workers_of_a_host_flush_at_moments_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    phases = []
    for pid in range(4001, 4009):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        phases.append(phase_of_process())
    phases.sort()
    apart = [after - before for before, after in itertools.pairwise([*phases, phases[0] + 1.0])]
    assert phases[0] >= 0.0 and phases[-1] < 1.0
    assert min(apart) > 0.08


def test_containers_whose_workers_have_the_same_numbers_flush_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "web-1")
    first = phase_of_process()
    monkeypatch.setattr("socket.gethostname", lambda: "web-2")
    assert phase_of_process() != first


def test_a_flush_is_due_at_the_process_own_moment_whenever_it_began() -> None:
    schedule = idle()
    begin(schedule)
    assert schedule._scheduler is not None
    [due] = [job.next_run_time for job in schedule._scheduler.get_jobs() if job.name == "irl-flush"]
    schedule.end()
    assert due.timestamp() % 1.0 == pytest.approx(phase_of_process(), abs=1e-3)
