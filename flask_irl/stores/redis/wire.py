"""One connection's raw socket: a packed command out, one answer in, nothing in between.

redis-py connects, encrypts and logs in; what follows on a request's path is one write and one
read, with the kernel's own time-outs where there is no encryption: Python's would ask the kernel
before each of the two whether it may.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
from redis.exceptions import MovedError, NoScriptError, ResponseError

READ_BYTES: Final = 65_536
ANSWER_BYTES: Final = 256
"""The first read of an answer on a request's path: no larger than what is cheap to have."""
LEAST_SECONDS: Final = 0.001
"""A socket's patience can't be nothing."""
LOOK_SECONDS: Final = 0.0001
"""For so long an answer is looked for before a thread sleeps for it. Not for so many times: between
two looks another thread may have the interpreter for five milliseconds."""
MOST_MISSED: Final = 8
"""Answers in a row that didn't come while they were looked for, until that is given up."""
TRIED_AGAIN: Final = 32
"""One in so many is looked for all the same: the server may be near again, or less busy."""
CLOSED: Final = "the server closed the connection"
OPTIONS: Final = () if sys.platform == "win32" else (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)


class Wire:
    """A connection that is ready for use.

    Args:
        connection: One of redis-py's, connected, with nothing under way.
        seconds: How long a write or a read may take.
        length: Of the answer that is expected, a bulk string: it is found without parsing.

    Attributes:
        send: Sends a packed command, whose answer is read later, by :meth:`answer`; raises
            ``OSError``, as of :meth:`ask`.
    """

    __slots__ = (
        "_bytes",
        "_connection",
        "_head",
        "_length",
        "_looks",
        "_missed",
        "_reader",
        "_receive",
        "_seconds",
        "_sock",
        "send",
    )

    def __init__(self, connection: Any, seconds: float, length: int) -> None:
        self._connection = connection
        self._sock = connection._get_socket()
        self.send: Callable[[bytes], None] = self._sock.sendall
        self._receive: Callable[..., bytes] = self._sock.recv
        self._seconds = seconds
        self._head = b"$%d\r\n" % length
        self._length = len(self._head) + length
        self._bytes = self._length + 2
        self._reader = hiredis.Reader(replyError=_error)
        self._missed = 0
        self._wait(seconds)

    def ask(self, command: bytes, seconds: float | None = None) -> Any:
        """Send a packed command and read its answer.

        Args:
            command: In RESP.
            seconds: How long that may take; None is what is usual.

        Raises:
            ResponseError: The server answers with an error; the connection is still good.
            OSError: No answer in time (``BlockingIOError`` or ``TimeoutError``), or the
                connection is gone (``ConnectionError``).
        """
        if seconds is None:
            self.send(command)
            return self.answer()
        self._wait(max(seconds, LEAST_SECONDS))
        try:
            self.send(command)
            return self.answer()
        finally:
            self._wait(self._seconds)

    def answer(self) -> Any:
        """Read the answer to what was sent; raises as :meth:`ask` does.

        It is looked for a while before this thread sleeps for it: a server on the same machine
        answers sooner than a core wakes up that has gone to sleep.
        """
        missed = self._missed
        if self._looks and (missed < MOST_MISSED or missed % TRIED_AGAIN == 0):
            try:
                data = self._receive(ANSWER_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                data = self._looked_for()
            else:
                self._missed = 0
        else:
            self._missed = missed + 1
            data = self._receive(ANSWER_BYTES)
        if len(data) == self._bytes and data.startswith(self._head):
            return data[len(self._head) : self._length]
        answer = self._parse(data)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    def ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands in one go and read their answers.

        Args:
            commands: Each a command and its arguments: text, bytes and numbers.

        Returns:
            The answers; a command's own error stands in its place.

        Raises:
            OSError: As of :meth:`ask`, for each read.
        """
        sock, reader = self._sock, self._reader
        sock.sendall(b"".join(hiredis.pack_command(tuple(command)) for command in commands))
        answers: list[Any] = []
        while len(answers) < len(commands):
            answer = reader.gets()
            if answer is False:
                data = sock.recv(READ_BYTES)
                if not data:
                    raise ConnectionResetError(CLOSED)
                reader.feed(data)
            elif not isinstance(answer, hiredis.PushNotification):
                answers.append(answer)
        return answers

    def close(self) -> None:
        """Let the connection go."""
        self._connection.disconnect()

    def _looked_for(self) -> bytes:
        """The next bytes, which weren't there at the first look."""
        until = time.perf_counter() + LOOK_SECONDS
        while time.perf_counter() < until:
            try:
                data = self._receive(ANSWER_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            self._missed = 0
            return data
        self._missed += 1
        return self._receive(ANSWER_BYTES)

    def _parse(self, data: bytes) -> Any:
        until = time.monotonic() + self._seconds
        reader = self._reader
        while True:
            if not data:
                raise ConnectionResetError(CLOSED)
            reader.feed(data)
            answer = reader.gets()
            while isinstance(answer, hiredis.PushNotification):
                answer = reader.gets()
            if answer is not False:
                return answer
            if time.monotonic() >= until:
                raise TimeoutError("the answer comes too slowly")
            data = self._sock.recv(READ_BYTES)

    def _wait(self, seconds: float) -> None:
        self._looks = False
        if isinstance(self._sock, ssl.SSLSocket) or not OPTIONS:
            self._sock.settimeout(seconds)
            return
        self._sock.settimeout(None)
        if not os.get_blocking(self._sock.fileno()):
            # gevent's: it waits in its own loop, where the kernel's time-outs don't count.
            self._sock.settimeout(seconds)
            return
        whole = int(seconds)
        value = struct.pack("@ll", whole, max(1, int((seconds - whole) * 1e6)))
        for option in OPTIONS:
            self._sock.setsockopt(socket.SOL_SOCKET, option, value)
        self._looks = True


def _error(text: str) -> ResponseError:
    if text.startswith("NOSCRIPT"):
        return NoScriptError(text)
    if text.startswith("MOVED "):
        return MovedError(text.removeprefix("MOVED "))
    return ResponseError(text)
