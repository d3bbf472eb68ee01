"""Test when a wire polls for an answer before its thread sleeps, and its calls after ASKING."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from flask_irl.stores.redis.exceptions import ResponseError
from flask_irl.stores.redis.wire import LOOK_SECONDS, MOST_MISSED, TRIED_AGAIN, Wire

ANSWER = b"$2\r\nok\r\n"
MORE = 5
"""Looks after the first one, until the time for polling is over."""


class Socket:
    """Answer at a given look, or never to a look.

    Args:
        inner: A real socket, for all else.
    """

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self.now = 0.0
        self.comes_at: int | None = 1
        self.looks = 0
        self.sleeps = 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags != socket.MSG_DONTWAIT:
            self.sleeps += 1
            return ANSWER
        self.looks += 1
        self.now += LOOK_SECONDS / MORE * 1.001
        if self.looks != self.comes_at:
            raise BlockingIOError
        return ANSWER

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Connection:
    """Stand in for a connection to a server."""

    def __init__(self, sock: Socket) -> None:
        self._sock = sock

    def _get_socket(self) -> socket.socket:
        return cast(socket.socket, self._sock)

    def disconnect(self) -> None:
        pass


@pytest.fixture
def sock() -> Iterator[Socket]:
    """Make a socket that moves its clock with every look."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield Socket(mine)


def wire_on(sock: Socket) -> Wire:
    """Make a wire on a socket, whose clock is the wire's."""
    return Wire(Connection(sock), 1.0, 2, lambda: sock.now)


def count_looks(wire: Wire, sock: Socket) -> tuple[int, int]:
    """Count the looks and the sleeps of one call."""
    sock.looks = sock.sleeps = 0
    assert wire.ask(b"x", sock.now + 1.0) == b"ok"
    return sock.looks, sock.sleeps


def test_an_answer_that_comes_while_polling_takes_no_sleep(sock: Socket) -> None:
    wire = wire_on(sock)
    sock.comes_at = 3
    assert count_looks(wire, sock) == (3, 0)


def test_a_slow_server_is_soon_waited_for_asleep(sock: Socket) -> None:
    wire = wire_on(sock)
    sock.comes_at = None
    for _ in range(MOST_MISSED):
        assert count_looks(wire, sock) == (1 + MORE, 1)
    looks = [count_looks(wire, sock)[0] for _ in range(TRIED_AGAIN)]
    assert sorted(looks) == [0] * (TRIED_AGAIN - 1) + [1 + MORE]


def test_a_server_that_is_quick_again_is_polled_again(sock: Socket) -> None:
    wire = wire_on(sock)
    sock.comes_at = None
    for _ in range(MOST_MISSED):
        count_looks(wire, sock)
    sock.comes_at = 1
    for _ in range(TRIED_AGAIN):
        count_looks(wire, sock)
    assert count_looks(wire, sock) == (1, 0)


def test_a_socket_of_another_loop_is_not_polled(sock: Socket) -> None:
    sock.setblocking(False)
    # A socket of gevent's claims to block, and its file descriptor does not.
    sock.settimeout = lambda seconds: None  # type: ignore[attr-defined]
    wire = wire_on(sock)
    assert count_looks(wire, sock) == (0, 1)


ASKING = b"*1\r\n$6\r\nASKING\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"+OK\r\n" + ANSWER],
        [b"+OK\r\n", ANSWER],
        [b"+O", b"K\r\n$2\r", b"\nok\r\n"],
        [b"+OK\r\n>2\r\n+invalidate\r\n*0\r\n" + ANSWER],
    ],
)
def test_an_answer_after_asking_comes_in_any_pieces(pieces: list[bytes]) -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        wire = Wire(Connection(cast(Socket, mine)), 5.0, 2)
        writer = threading.Thread(target=_send_in_pieces, args=(theirs, pieces))
        writer.start()
        try:
            assert wire.ask_importing(PING, time.monotonic() + 5.0) == b"ok"
        finally:
            writer.join(5.0)
        # Nothing is left that a later call would take for its answer.
        theirs.sendall(b"$2\r\nhm\r\n")
        assert wire.ask(PING, time.monotonic() + 5.0) == b"hm"


def test_a_refused_asking_is_raised_and_leaves_the_wire_sound() -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        wire = Wire(Connection(cast(Socket, mine)), 5.0, 2)
        theirs.sendall(b"-NOPERM no\r\n-MOVED 7 a:1\r\n")
        with pytest.raises(ResponseError, match="NOPERM"):
            wire.ask_importing(PING, time.monotonic() + 5.0)
        theirs.sendall(ANSWER)
        assert wire.ask(PING, time.monotonic() + 5.0) == b"ok"


def test_background_work_waits_no_longer_than_it_may_by_then() -> None:
    class Silent(socket.socket):
        """A socket on which nothing comes; each time-out takes as long as it says."""

        now = 0.0
        seconds = 0.0

        def settimeout(self, seconds: float | None) -> None:
            self.seconds = seconds or 0.0

        def sendall(self, data: Any, flags: int = 0) -> None:
            pass

        def recv(self, size: int, flags: int = 0) -> bytes:
            self.now += self.seconds
            raise TimeoutError

    with Silent() as silent:
        silent.setblocking(False)
        wire = Wire(Connection(cast(Socket, silent)), 1.0, 2, lambda: silent.now)
        # Half a second later the process is told to end.
        with pytest.raises(TimeoutError):
            wire.ask_all([("PING",)], lambda: 2.0 if silent.now < 0.5 else 0.8)
        assert 0.75 < silent.now < 1.0


def _send_in_pieces(sock: socket.socket, pieces: list[bytes]) -> None:
    left = len(ASKING + PING)
    while left:
        left -= len(sock.recv(left))
    for piece in pieces:
        sock.sendall(piece)
