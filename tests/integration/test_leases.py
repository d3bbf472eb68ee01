"""Eight processes on a real server: quota leases admit nobody over the limit, and lose nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_irl.limits.current import current_limits
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope, StrategyName
from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from tests.servers import RedisServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

WORKERS = 8
LIMIT = 3000
ALLOWED = 60
"""Requests that may be unused at a refusal: 2 % of the limit."""
PACED = 1000
"""Requests in which the client keeps to a pace, so that all workers come to know it."""


class Process:
    """Ask one worker process over its pipes."""

    def __init__(self, questions: int, answers: int) -> None:
        self._questions = os.fdopen(questions, "w", buffering=1)
        self._answers = os.fdopen(answers)
        self._pid = int(self._answers.readline())

    def ask(self, strategy: StrategyName) -> tuple[bool, int]:
        """Ask for the client; tells whether it is admitted, and what is left."""
        print(strategy, "c", file=self._questions)
        admitted, left = self._answers.readline().split()
        return admitted == "1", int(left)

    def kill(self) -> None:
        """End it as a crash would."""
        os.kill(self._pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Let it end."""
        self._questions.close()
        self._answers.close()


@pytest.fixture(scope="module")
def processes(redis_server: RedisServer) -> Iterator[list[Process]]:
    with redis_server.client() as client:
        client.flushall()
    theirs: list[int] = []
    ours: list[tuple[int, int]] = []
    for _ in range(WORKERS):
        (asked, asks), (reads, answers) = os.pipe(), os.pipe()
        theirs += [asked, answers]
        ours.append((asks, reads))
    command = [sys.executable, "-m", "tests.integration.lease_worker", redis_server.url, str(LIMIT)]
    root = subprocess.Popen(
        [*command, *map(str, theirs)], pass_fds=theirs, cwd=Path(__file__).parents[2]
    )
    for descriptor in theirs:
        os.close(descriptor)
    running = [Process(*pipes) for pipes in ours]
    yield running
    for process in running:
        process.close()
    root.wait(20)


def left_in_store(uri: str, strategy: StrategyName) -> int:
    """Read how many requests the store would still admit."""
    store = RedisStore(locate(uri), prefix=strategy, timeout=10.0)
    plan = Plan((Scope("", (Limit(LIMIT, 60),)),), strategy, (1.0,))
    try:
        return current_limits(plan, store.peek(plan, ("c",)), store.now())[0].remaining
    finally:
        store.close()


def calls(server: RedisServer) -> int:
    """Count the scripts that a server was asked to run."""
    with server.client() as client:
        return int(client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


def spend(processes: list[Process], strategy: StrategyName) -> tuple[int, int]:
    """Ask until refused, now in turn and now at random; gives the admitted and the unused."""
    draw = random.Random(strategy)
    started = time.monotonic()
    for number in range(10 * LIMIT):
        if number < PACED:
            time.sleep(0.001)
        turn = number if number % 500 < 250 else draw.randrange(len(processes))
        admitted, left = processes[turn % len(processes)].ask(strategy)
        passed = time.monotonic() - started
        # What GCRA gives anew meanwhile.
        limit = LIMIT + (LIMIT * passed / 60 if strategy == "gcra" else 0)
        assert passed < 50, "all of it was meant to be one window"
        if not admitted:
            return number, int(limit) - number
        assert left <= limit - number - 1
    raise AssertionError("nobody is refused")


@pytest.mark.parametrize("strategy", ["sliding-window-counter", "fixed-window", "gcra"])
def test_a_client_of_eight_processes_gets_its_limit_and_no_more(
    redis_server: RedisServer, processes: list[Process], strategy: StrategyName
) -> None:
    before = calls(redis_server)
    admitted, unused = spend(processes, strategy)
    assert 0 <= unused <= ALLOWED
    assert calls(redis_server) - before < 0.9 * admitted
    # In processes that no refusal is remembered in, until all of it is used.
    for process in processes * (ALLOWED // WORKERS + 1):
        admitted += process.ask(strategy)[0]
    assert admitted <= LIMIT or strategy == "gcra"

    def is_given_back() -> bool:
        return left_in_store(redis_server.url, strategy) >= LIMIT - admitted

    wait_until(is_given_back, "all that is unused", 10.0)
    assert left_in_store(redis_server.url, strategy) == LIMIT - admitted or strategy == "gcra"


def test_a_process_that_is_killed_with_a_lease_leaves_less_and_never_more(
    redis_server: RedisServer, processes: list[Process]
) -> None:
    with redis_server.client() as client:
        client.flushall()
    for number in range(LIMIT // 2):
        processes[number % WORKERS].ask("fixed-window")
        time.sleep(0.001 if number < PACED else 0)
    processes.pop().kill()
    admitted = LIMIT // 2
    for number in range(LIMIT):
        admitted += processes[number % len(processes)].ask("fixed-window")[0]
    assert LIMIT - 2 * ALLOWED <= admitted <= LIMIT
