"""When an answer is looked for before a thread sleeps for it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from flask_irl.stores.redis import wire as wires
from flask_irl.stores.redis.wire import LOOK_SECONDS, MOST_MISSED, TRIED_AGAIN, Wire

ANSWER = b"$2\r\nok\r\n"
MORE = 5
"""So many looks, after the first one, take all the time there is."""


class Socket:
    """A socket of which it is told when an answer comes: at which look, or never by looking."""

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
    """As much of redis-py's as a wire wants."""

    def __init__(self, sock: Socket) -> None:
        self._sock = sock

    def _get_socket(self) -> Socket:
        return self._sock


@pytest.fixture
def sock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Socket]:
    """A socket that moves the clock with every look."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        made = Socket(mine)
        clock = SimpleNamespace(perf_counter=lambda: made.now, monotonic=time.monotonic)
        monkeypatch.setattr(wires, "time", clock)
        yield made


def asked(wire: Wire, sock: Socket) -> tuple[int, int]:
    """Looks and sleeps of one call."""
    sock.looks = sock.sleeps = 0
    assert wire.ask(b"x") == b"ok"
    return sock.looks, sock.sleeps


def test_an_answer_that_comes_while_it_is_looked_for_takes_no_sleep(sock: Socket) -> None:
    wire = Wire(Connection(sock), 1.0, 2)
    sock.comes_at = 3
    assert asked(wire, sock) == (3, 0)


def test_a_server_that_is_slow_is_soon_waited_for_asleep(sock: Socket) -> None:
    wire = Wire(Connection(sock), 1.0, 2)
    sock.comes_at = None
    for _ in range(MOST_MISSED):
        assert asked(wire, sock) == (1 + MORE, 1)
    looks = [asked(wire, sock)[0] for _ in range(TRIED_AGAIN)]
    assert sorted(looks) == [0] * (TRIED_AGAIN - 1) + [1 + MORE]


def test_a_server_that_is_quick_again_is_looked_for_again(sock: Socket) -> None:
    wire = Wire(Connection(sock), 1.0, 2)
    sock.comes_at = None
    for _ in range(MOST_MISSED):
        asked(wire, sock)
    sock.comes_at = 1
    for _ in range(TRIED_AGAIN):
        asked(wire, sock)
    assert asked(wire, sock) == (1, 0)


def test_where_another_loop_does_the_waiting_nothing_is_looked_for(sock: Socket) -> None:
    sock.setblocking(False)
    # A socket of gevent's says that it blocks and is one that doesn't.
    sock.settimeout = lambda seconds: None  # type: ignore[attr-defined]
    wire = Wire(Connection(sock), 1.0, 2)
    assert asked(wire, sock) == (0, 1)
