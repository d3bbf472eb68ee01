"""Run background commands on connections of their own, for as long as there is time for them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask_irl.errors import StoreError
from flask_irl.stores.redis.errors import CONNECT_SECONDS, store_error
from flask_irl.stores.redis.exceptions import RedisError
from flask_irl.stores.redis.wire import Wire

BACKGROUND_SECONDS: Final = 2.0
"""Time-out of background work."""
LEAVE_SECONDS: Final = 0.3
"""The same where the process is about to end."""


class Closing(deque[Wire]):
    """Close the connections that are put back: a training may end after its limiter was closed."""

    def append(self, wire: Wire) -> None:
        wire.close()


def close_all(wires: deque[Wire]) -> None:
    """Take connections out of those that wait for their use, and close them."""
    while True:
        try:
            wire = wires.pop()
        except IndexError:
            return
        wire.close()


class BackgroundCalls:
    """Run commands on a server, apart from requests' connections.

    Args:
        connect: Opens a connection, and gives up after so many seconds.
        is_wrong: Tells whether an answer is that of a server which another one may have replaced.
        node: Name of a cluster's node, for errors that concern it alone; else empty.
    """

    def __init__(
        self, connect: Callable[[float], Wire], is_wrong: Callable[[object], bool], node: str
    ) -> None:
        self._connect = connect
        self._is_wrong = is_wrong
        self._node = node
        self.forget()

    def forget(self) -> None:
        """Drop the connections of a parent process, and send nothing on their sockets."""
        self._wires: deque[Wire] = deque()
        self._left_at: float | None = None
        self._hangs = False

    def leave(self) -> None:
        """Wait no longer than a moment from now on, and ask a server that hangs no more."""
        self._left_at = time.monotonic()

    def renew(self) -> None:
        """Close the connections that are not in use."""
        close_all(self._wires)

    def close(self) -> None:
        """Close the connections that are not in use, and from now on each after its use."""
        wires, self._wires = self._wires, Closing()
        self._left_at = None
        close_all(wires)

    def run(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands in one go.

        Args:
            commands: Each a command and its arguments.

        Returns:
            The answers; a command's own error stands in its place.

        Raises:
            StoreError: The connection fails, or an answer takes two seconds.
        """
        try:
            wire = self._wires.pop()
        except IndexError:
            return self._run_on(None, commands)
        try:
            answers = self._run_on(wire, commands)
        except StoreError as error:
            if error.kind == "timeout":
                raise
            # The server closed it while it was idle: the other connections are gone, too.
            close_all(self._wires)
            return self._run_on(None, commands)
        wrong = [index for index, answer in enumerate(answers) if self._is_wrong(answer)]
        if wrong:
            # What a right answer came to was done.
            close_all(self._wires)
            repeated = self._run_on(None, [commands[index] for index in wrong])
            for index, answer in zip(wrong, repeated, strict=True):
                answers[index] = answer
        return answers

    def _run_on(self, wire: Wire | None, commands: Sequence[Sequence[Any]]) -> list[Any]:
        if self._hangs and self._left_at is not None:
            raise StoreError("no answer, and this process ends", kind="timeout", part=self._node)
        began = time.monotonic()

        def patience() -> float:
            left_at = self._left_at
            if left_at is None:
                return BACKGROUND_SECONDS
            # What was under way by then has as long from there.
            return min(max(left_at - began, 0.0) + LEAVE_SECONDS, BACKGROUND_SECONDS)

        try:
            if wire is None:
                wire = self._connect(min(patience(), CONNECT_SECONDS))
            answers = wire.ask_all(commands, patience)
        except (RedisError, OSError) as error:
            if wire is not None:
                wire.close()
            failed = store_error(error, patience(), self._node)
            self._hangs = failed.kind == "timeout"
            raise failed from error
        self._hangs = False
        if any(map(self._is_wrong, answers)):
            wire.close()
        else:
            self._wires.append(wire)
        return answers
