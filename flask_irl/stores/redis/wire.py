"""Send a packed command on a connection's raw socket, and read its answer.

It is connected, and logged in. A call on a request's path is then one write and one read, with the
kernel's time-outs where there is no encryption: with Python's, each of the two would first ask the
kernel whether it may.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis

from flask_irl.stores.redis.connection import READ_BYTES, Connection
from flask_irl.stores.redis.exceptions import InvalidResponse, ResponseError, answered_error

ANSWER_BYTES: Final = 256
"""Size of the first read of an answer on a request's path: small, for a cheap buffer."""
TOLERANCE: Final = 0.001
"""Seconds by which a socket's time-out may be off before it is set again."""
LOOK_SECONDS: Final = 0.0001
"""Time of polling for an answer before the thread sleeps. A time, not a number of looks: between
two looks another thread may have the interpreter for five milliseconds."""
GLANCE_SECONDS: Final = 0.1
"""Time between two looks whether background work may still wait for its answer."""
MOST_MISSED: Final = 8
"""Answers in a row that polling missed, until polling stops."""
TRIED_AGAIN: Final = 32
"""One in so many answers is polled for all the same: the server may be quick again."""
ASKING: Final = b"*1\r\n$6\r\nASKING\r\n"
"""Has a node of a cluster serve the next command on a slot that it doesn't hold yet."""
CLOSED: Final = "the server closed the connection"
TOO_LATE: Final = "no answer in time"
LOOK: Final[int] = getattr(socket, "MSG_DONTWAIT", 0)
"""Flag of a read that doesn't wait; 0 where there is none, as on Windows."""
OPTIONS: Final = (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO) if LOOK else ()
"""Time-outs of the kernel's, where they are given in seconds and µs, and a read may not wait."""


class Wire:
    """Hold one connection that is ready for use.

    Args:
        connection: One with nothing under way.
        seconds: Time-out of a write, and of a read until :meth:`answer` sets another.
        length: Bytes of the bulk string that is expected as answer, which is read unparsed.
        clock: Seconds, of any origin; deadlines are by this clock.

    Attributes:
        send: Sends a packed command, whose answer :meth:`answer` reads; raises ``OSError``, as
            :meth:`ask` does.
    """

    __slots__ = (
        "_bytes",
        "_clock",
        "_connection",
        "_head",
        "_kernel",
        "_length",
        "_missed",
        "_reader",
        "_receive",
        "_seconds",
        "_sock",
        "send",
    )

    def __init__(
        self,
        connection: Connection,
        seconds: float,
        length: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._sock = connection._get_socket()
        self.send: Callable[[bytes], None] = self._sock.sendall
        self._receive: Callable[..., bytes] = self._sock.recv
        self._head = b"$%d\r\n" % length
        self._length = len(self._head) + length
        self._bytes = self._length + 2
        self._reader = hiredis.Reader(replyError=answered_error)
        self._missed = 0
        self._kernel = self._is_kernels()
        self._wait(seconds)

    def ask(self, command: bytes, deadline: float) -> Any:
        """Send a packed command and read its answer.

        Args:
            command: In RESP.
            deadline: Time of the clock by which all must be done.

        Raises:
            ResponseError: The server answers with an error; the connection is still good.
            OSError: No answer in time (``BlockingIOError`` or ``TimeoutError``), or the
                connection is gone (``ConnectionError``).
        """
        self._wait_until(deadline)
        self.send(command)
        return self.answer(deadline)

    def ask_importing(self, command: bytes, deadline: float) -> Any:
        """Send a packed command on a slot that is on its way to this server; as :meth:`ask`."""
        self._wait_until(deadline)
        self.send(ASKING + command)
        accepted = self._parse(self._receive(ANSWER_BYTES), deadline)
        # Both answers may have come in one piece.
        answer = self._parsed()
        if answer is False:
            self._wait_until(deadline)
            answer = self._parse(self._receive(ANSWER_BYTES), deadline)
        for found in (accepted, answer):
            if isinstance(found, ResponseError):
                raise found
        return answer

    def answer(self, deadline: float) -> Any:
        """Read the answer to a command that was sent; arguments and errors as for :meth:`ask`.

        Polls for a while before the thread sleeps: a server on the same machine answers sooner
        than a sleeping core wakes up.
        """
        missed = self._missed
        if self._kernel and (missed < MOST_MISSED or missed % TRIED_AGAIN == 0):
            try:
                data = self._receive(ANSWER_BYTES, LOOK)
            except BlockingIOError:
                data = self._poll(deadline)
            else:
                self._missed = 0
        else:
            self._missed = missed + 1
            self._wait_until(deadline)
            data = self._receive(ANSWER_BYTES)
        if len(data) == self._bytes and data.startswith(self._head):
            return data[len(self._head) : self._length]
        answer = self._parse(data, deadline)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    def ask_all(
        self, commands: Sequence[Sequence[Any]], patience: Callable[[], float]
    ) -> list[Any]:
        """Send commands in one go and read their answers.

        Args:
            commands: Each a command and its arguments: text, bytes and numbers.
            patience: Gives the seconds that a write or a read may take; asked again and again
                while a read waits, for it may become less.

        Returns:
            The answers; a command's own error stands in its place.

        Raises:
            OSError: As for :meth:`ask`, with that time-out for each read.
            InvalidResponse: The answer isn't one of Redis's.
        """
        self._wait(patience())
        packed = b"".join(hiredis.pack_command(tuple(command)) for command in commands)
        self._sock.sendall(packed)
        self._wait(GLANCE_SECONDS)
        answers: list[Any] = []
        while len(answers) < len(commands):
            answer = self._next()
            if answer is False:
                self._reader.feed(self._read_patiently(patience))
            elif not isinstance(answer, hiredis.PushNotification):
                answers.append(answer)
        return answers

    def _read_patiently(self, patience: Callable[[], float]) -> bytes:
        since = self._clock()
        while True:
            try:
                data: bytes = self._sock.recv(READ_BYTES)
            except (BlockingIOError, TimeoutError):
                if self._clock() - since >= patience():
                    raise
                continue
            if not data:
                raise ConnectionResetError(CLOSED)
            return data

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def _poll(self, deadline: float) -> bytes:
        """Read the next bytes, which were not there at the first look."""
        until = self._clock() + LOOK_SECONDS
        while self._clock() < until:
            try:
                data = self._receive(ANSWER_BYTES, LOOK)
            except BlockingIOError:
                continue
            self._missed = 0
            return data
        self._missed += 1
        self._wait_until(deadline)
        return self._receive(ANSWER_BYTES)

    def _parse(self, data: bytes, deadline: float) -> Any:
        """Read an answer that is no bulk string of the expected length, or did not come at once."""
        while True:
            if not data:
                raise ConnectionResetError(CLOSED)
            self._reader.feed(data)
            answer = self._parsed()
            if answer is not False:
                return answer
            self._wait_until(deadline)
            data = self._receive(READ_BYTES)

    def _parsed(self) -> Any:
        """Parse the next answer to a command of those that have come; False for none."""
        answer = self._next()
        while isinstance(answer, hiredis.PushNotification):
            answer = self._next()
        return answer

    def _next(self) -> Any:
        """Parse the next answer of those that have come; False for none."""
        try:
            return self._reader.gets()
        except hiredis.ProtocolError as error:
            raise InvalidResponse(str(error)) from None

    def _wait_until(self, deadline: float) -> None:
        """Have the next write or read end at the deadline; raise if that has passed."""
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError(TOO_LATE)
        if not -TOLERANCE < left - self._seconds < TOLERANCE:
            self._wait(max(left, TOLERANCE))

    def _wait(self, seconds: float) -> None:
        """Set the socket's time-out."""
        self._seconds = seconds
        if not self._kernel:
            self._sock.settimeout(seconds)
            return
        whole = int(seconds)
        value = struct.pack("@ll", whole, max(1, int((seconds - whole) * 1e6)))
        for option in OPTIONS:
            self._sock.setsockopt(socket.SOL_SOCKET, option, value)

    def _is_kernels(self) -> bool:
        """Tell whether the socket blocks in the kernel, whose time-outs then count."""
        if isinstance(self._sock, ssl.SSLSocket) or not OPTIONS:
            return False
        self._sock.settimeout(None)
        # A socket of gevent's waits in gevent's own loop.
        return os.get_blocking(self._sock.fileno())
