"""A host is at its limit of threads: limits hold from the first request, and work starts later."""

from __future__ import annotations

import logging
import threading

import pytest

from flask_irl.limiter.starting import PAUSE_SECONDS
from flask_irl.telemetry.events import ErrorSwallowed
from tests.conftest import Clock
from tests.faults.site import Worker
from tests.faults.threads import no_new_threads

pytestmark = pytest.mark.integration

CLIENT = "192.0.2.1"
LIMIT = 3
AT_ONCE = [*[200] * LIMIT, 429, 429]


def ours() -> set[threading.Thread]:
    """List the threads that background work has."""
    names = ("APScheduler", "ThreadPoolExecutor", "irl-")
    return {thread for thread in threading.enumerate() if thread.name.startswith(names)}


def waits_of(worker: Worker) -> list[str]:
    """List the places at which an error was counted."""
    return [event.where for event in worker.events.of(ErrorSwallowed)]


def words(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = (record.getMessage().split()[0] for record in caplog.records)
    return [word for word in found if word not in ("request_refused", "store_error")]


@pytest.fixture
def worker(uri: str, clock: Clock) -> Worker:
    """Make a worker on each kind of store, whose tries to start go by a clock of the test's."""
    worker = Worker(uri, base_limit=LIMIT, background=True)
    worker.limiter._decider.starting._monotonic = clock
    return worker


def test_limits_hold_from_the_first_request_and_work_starts_when_it_can(
    worker: Worker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="flask_irl")
    before = ours()
    with worker:
        with no_new_threads():
            assert worker.asks(len(AT_ONCE), CLIENT) == AT_ONCE
            assert waits_of(worker) == ["start"]
            clock.advance(PAUSE_SECONDS)
            assert worker.ask(CLIENT) == 429
            assert waits_of(worker) == ["start"] * 2
        assert not worker.limiter.worker.running
        assert words(caplog) == ["background_waiting"]
        # What had started is gone, too.
        for thread in ours() - before:
            thread.join(5.0)
        assert ours() == before

        clock.advance(PAUSE_SECONDS - 1)
        worker.ask("192.0.2.2")
        assert not worker.limiter.worker.running
        clock.advance(1)
        worker.ask("192.0.2.2")
        assert worker.limiter.worker.running
        assert words(caplog) == ["background_waiting", "background_started"]


def test_without_a_thread_to_connect_with_the_local_limiter_decides(redis_url: str) -> None:
    with Worker(redis_url, base_limit=LIMIT) as worker:
        with no_new_threads():
            assert worker.asks(len(AT_ONCE), CLIENT) == AT_ONCE
            # Nobody could probe for it.
            assert worker.healthy
        assert worker.source("192.0.2.2") == "store"


def test_an_open_connection_needs_no_thread(redis_url: str) -> None:
    with Worker(redis_url, base_limit=LIMIT) as worker:
        assert worker.ask(CLIENT) == 200
        with no_new_threads():
            assert worker.asks(len(AT_ONCE) - 1, CLIENT) == AT_ONCE[1:]
        assert worker.failures == []


class Failing(logging.Handler):
    """Fail at each record, as a handler without room for its file does."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise OSError("no space left on device")


def test_a_log_that_fails_lets_no_request_pass(worker: Worker) -> None:
    logger = logging.getLogger("flask_irl")
    handler = Failing()
    logger.addHandler(handler)
    try:
        with worker, no_new_threads():
            assert worker.asks(len(AT_ONCE), CLIENT) == AT_ONCE
            assert "start" in waits_of(worker)
    finally:
        logger.removeHandler(handler)
