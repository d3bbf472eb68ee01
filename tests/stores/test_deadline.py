"""Test that a call on a request's path takes no longer than the store's timeout, whatever comes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from flask_irl.errors import StoreError
from flask_irl.limits.decision import Hit
from flask_irl.stores.location import locate
from flask_irl.stores.redis.commands import REPLY
from flask_irl.stores.redis.store import RedisStore
from tests.stores.conftest import plan_of
from tests.stores.fake_server import HOST, Connection, FakeServer, make_certificate

TIMEOUT = 0.4
"""Seconds that a call may take."""
LATE = 0.3
"""Seconds after which a server does half of what it should: a second timeout would end at 0.7."""
BOUND = 0.55
"""Seconds that a call takes at most on a busy machine."""

PLAN = plan_of()
HIT = Hit(True, 0, 0, False, 0.0, 5, 4, 60e6, 0.0, 1e15, -1.0)
GOOD = b"$%d\r\n%b\r\n" % (REPLY.size, REPLY.pack(*HIT))

Ask = Callable[[RedisStore], Hit]


def ask_at_once(store: RedisStore) -> Hit:
    """Ask and wait for the answer."""
    return store.hit(PLAN, ("c",), 1)


def ask_ahead(store: RedisStore) -> Hit:
    """Ask, and wait for the answer later."""
    pending = store.begin(PLAN, ("c",), 1)
    assert pending is not None
    return store.end(pending)


def close_late(connection: Connection) -> None:
    """Close a connection that was in use before after a while; never answer on a new one."""
    if connection.commands:
        connection.wait(LATE)
        connection.close()


def drip_late(connection: Connection) -> None:
    """Begin to answer after a while, and go on for longer than the timeout."""
    connection.wait(LATE)
    connection.drip(GOOD, 0.01)


def stall(connection: Connection) -> None:
    """Begin to answer after a while, and stop in the middle."""
    connection.wait(LATE)
    connection.send(GOOD[:7])


def interrupt(connection: Connection) -> None:
    """Push unasked messages for longer than the timeout."""
    for _ in range(100):
        connection.send(b">2\r\n+invalidate\r\n*1\r\n+x\r\n")
        connection.wait(0.02)


class Faulty:
    """Answer well until the fault begins.

    Args:
        fault: Answers from then on.
    """

    def __init__(self, fault: Callable[[Connection], None]) -> None:
        self._fault = fault
        self.begun = False

    def __call__(self, connection: Connection, command: Sequence[bytes]) -> None:
        if self.begun:
            self._fault(connection)
        else:
            connection.send(GOOD)


@contextmanager
def store_on(uri: str) -> Iterator[RedisStore]:
    """Open a store on servers for the time of a block."""
    store = RedisStore(locate(uri), timeout=TIMEOUT)
    try:
        yield store
    finally:
        store.close()


def connect(store: RedisStore) -> None:
    """Ask until an answer comes: a busy machine may take long to connect."""
    for _ in range(50):
        with suppress(StoreError):
            assert ask_at_once(store) == HIT
            return
    pytest.fail("no connection")


def seconds_until_error(ask: Ask, store: RedisStore) -> float:
    """Measure how long a call takes to fail."""
    start = time.monotonic()
    with pytest.raises(StoreError):
        ask(store)
    return time.monotonic() - start


faults = pytest.mark.parametrize("fault", [close_late, drip_late, stall, interrupt])


@faults
@pytest.mark.parametrize("ask", [ask_at_once, ask_ahead])
def test_a_call_ends_at_its_deadline(ask: Ask, fault: Callable[[Connection], None]) -> None:
    answer = Faulty(fault)
    with FakeServer(answer) as server, store_on(f"redis://{HOST}:{server.port}") as store:
        connect(store)
        answer.begun = True
        assert seconds_until_error(ask, store) < BOUND


@faults
def test_a_call_ends_at_its_deadline_under_tls(
    tmp_path: Path, fault: Callable[[Connection], None]
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    answer = Faulty(fault)
    with FakeServer(answer, make_certificate(tmp_path)) as server:
        uri = f"rediss://{HOST}:{server.port}?ssl_cert_reqs=none&ssl_check_hostname=false"
        with store_on(uri) as store:
            connect(store)
            answer.begun = True
            assert seconds_until_error(ask_at_once, store) < BOUND


def test_the_second_call_for_a_lost_script_ends_at_the_deadline_of_the_first() -> None:
    lost: list[bool] = []

    def lose_script(connection: Connection) -> None:
        if not lost:
            lost.append(True)
            connection.wait(LATE / 2)
            connection.send(b"-NOSCRIPT No matching script.\r\n")
        else:
            connection.wait(LATE / 3)
            connection.drip(GOOD, 0.01)

    answer = Faulty(lose_script)
    with FakeServer(answer) as server, store_on(f"redis://{HOST}:{server.port}") as store:
        connect(store)
        answer.begun = True
        assert seconds_until_error(ask_at_once, store) < BOUND


def test_to_find_the_master_takes_of_the_same_time() -> None:
    def answer(connection: Connection, command: Sequence[bytes]) -> None:
        connection.wait(LATE)
        port = b"%d" % master.port
        connection.send(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%b\r\n" % (len(port), port))

    def never(connection: Connection, command: Sequence[bytes]) -> None:
        connection.wait(10.0)

    with FakeServer(never) as master, FakeServer(answer) as sentinel:
        uri = f"redis+sentinel://{HOST}:{sentinel.port}/mymaster"
        with store_on(uri) as store:
            assert seconds_until_error(ask_at_once, store) < BOUND


def test_after_a_slow_answer_the_next_call_has_all_its_time() -> None:
    # Seconds before the two halves of each answer.
    pauses = iter([(0.2, 0.05), (0.25, 0.0)])

    def answer_slowly(connection: Connection) -> None:
        for part, seconds in zip((GOOD[:8], GOOD[8:]), next(pauses), strict=True):
            connection.wait(seconds)
            connection.send(part)

    answer = Faulty(answer_slowly)
    with FakeServer(answer) as server, store_on(f"redis://{HOST}:{server.port}") as store:
        connect(store)
        answer.begun = True
        # Before the second half of the first, less than 0.25 seconds are left.
        assert [ask_at_once(store) for _ in range(2)] == [HIT] * 2
