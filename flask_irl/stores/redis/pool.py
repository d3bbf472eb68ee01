"""Hold connections to Redis open and ready, so that no request waits longer than it may.

To connect (name look-up, TCP, TLS, HELLO, AUTH) has no total time limit in any client, so it never
happens on a request's thread: a helper thread connects, and the request waits for it no longer than
its own time allows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask_irl.errors import StoreError
from flask_irl.stores.location import Address, Transport
from flask_irl.stores.redis.background import BackgroundCalls, Closing, close_all
from flask_irl.stores.redis.connection import Connect, PlainConnection, is_plain
from flask_irl.stores.redis.deadline import run_until
from flask_irl.stores.redis.errors import CONNECT_SECONDS, is_wrong_server, store_error
from flask_irl.stores.redis.exceptions import RedisError, ResponseError
from flask_irl.stores.redis.wire import Wire


class Pool:
    """Hold open connections to one server; threads take one each and put it back.

    Args:
        address: Host and port; None for a Unix socket named in ``connect``.
        transport: How connections are made.
        connect: Options of them, as redis-py's connections have.
        timeout: Seconds that a call on a request's path may take in all.
        answer_bytes: Length of the answer that such calls expect.
        node: Name of a cluster's node, for errors that concern it alone; else empty.

    Attributes:
        node: As given.

    Raises:
        ConfigurationError: An option is not known.
    """

    def __init__(
        self,
        address: Address | None,
        transport: Transport,
        connect: Mapping[str, Any],
        timeout: float,
        answer_bytes: int,
        node: str = "",
    ) -> None:
        self.node = node
        self._open = _opening(transport, address, connect)
        self._host = "" if address is None else address[0]
        self._timeout = timeout
        self._answer_bytes = answer_bytes
        self._idle: deque[Wire] = deque()
        self._background = BackgroundCalls(self._connect_with, self._is_wrong, node)

    @property
    def host(self) -> str:
        """Name the server's host; empty for a Unix socket."""
        return self._host

    def call(self, command: bytes, deadline: float) -> Any:
        """Send a packed command and read its answer.

        A connection whose server another one may have replaced isn't used again: where the server
        answers so, or is gone, the call is repeated on a new one, which looks its name up anew.

        Args:
            command: In RESP.
            deadline: Time of ``time.monotonic`` by which all must be done.

        Raises:
            StoreError: No answer in time, or no connection.
            ResponseError: The server answers with an error.
        """
        try:
            wire = self._idle.pop()
        except IndexError:
            return self._call_on_new(command, deadline)
        try:
            wire.send(command)
            answer = wire.answer(deadline)
        except (RedisError, OSError) as error:
            return self._recover(error, wire, command, deadline)
        self._idle.append(wire)
        return answer

    def begin(self, command: bytes) -> Wire | None:
        """Send a packed command whose answer :meth:`end` reads; None without a connection."""
        try:
            wire = self._idle.pop()
        except IndexError:
            return None
        try:
            wire.send(command)
        except OSError:
            wire.close()
            return None
        return wire

    def end(self, wire: Wire, command: bytes, deadline: float) -> Any:
        """Read the answer to a command that was sent on a wire; raises as :meth:`call` does."""
        try:
            answer = wire.answer(deadline)
        except (RedisError, OSError) as error:
            return self._recover(error, wire, command, deadline)
        self._idle.append(wire)
        return answer

    def call_importing(self, command: bytes, deadline: float) -> Any:
        """Send a packed command on a slot that is on its way here; raises as :meth:`call` does."""
        try:
            wire = self._idle.pop()
        except IndexError:
            wire = self._new_wire(deadline)
            return self._ask_last(wire, wire.ask_importing, command, deadline)
        try:
            answer = wire.ask_importing(command, deadline)
        except (RedisError, OSError) as error:
            # Repeated without ASKING, the call is sent back to where it came from, and again here.
            return self._recover(error, wire, command, deadline)
        self._idle.append(wire)
        return answer

    def _recover(
        self, error: RedisError | OSError, wire: Wire, command: bytes, deadline: float
    ) -> Any:
        """Repeat a call whose connection was gone or led to a wrong server; raise other errors."""
        if isinstance(error, ResponseError):
            if not self._is_wrong(error):
                self._idle.append(wire)
                raise error
        elif not isinstance(error, ConnectionError):
            wire.close()
            raise store_error(error, self._timeout, self.node) from error
        # The server closed it while it was idle, or isn't the right one: that holds for the others.
        wire.close()
        close_all(self._idle)
        return self._call_on_new(command, deadline)

    def _call_on_new(self, command: bytes, deadline: float) -> Any:
        wire = self._new_wire(deadline)
        return self._ask_last(wire, wire.ask, command, deadline)

    def _new_wire(self, deadline: float) -> Wire:
        try:
            return run_until(deadline, self._connect, self._idle.append, self._timeout)
        except StoreError as error:
            raise store_error(error, part=self.node) from error.__cause__

    def _ask_last(
        self, wire: Wire, ask: Callable[[bytes, float], Any], command: bytes, deadline: float
    ) -> Any:
        """Ask on a wire without another try."""
        try:
            answer = ask(command, deadline)
        except ResponseError as error:
            if self._is_wrong(error):
                wire.close()
            else:
                self._idle.append(wire)
            raise
        except (RedisError, OSError) as error:
            wire.close()
            raise store_error(error, self._timeout, self.node) from error
        self._idle.append(wire)
        return answer

    def _is_wrong(self, answer: object) -> bool:
        return is_wrong_server(answer, in_cluster=bool(self.node))

    def _connect(self) -> Wire:
        """Open a connection for a request's path."""
        return self._connect_with(CONNECT_SECONDS)

    def _connect_with(self, seconds: float) -> Wire:
        connection = self._open(seconds)
        return Wire(connection, self._timeout, self._answer_bytes)

    def run(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send commands in one go on connections apart from requests'; for background work.

        Args:
            commands: Each a command and its arguments.

        Returns:
            The answers; a command's own error stands in its place.

        Raises:
            StoreError: The connection fails, or an answer takes two seconds.
        """
        return self._background.run(commands)

    def leave(self) -> None:
        """Let background work wait no longer than a moment: this process is about to end."""
        self._background.leave()

    def renew(self) -> None:
        """Close the connections that are not in use: the next calls look the name up anew."""
        close_all(self._idle)
        self._background.renew()

    def close(self) -> None:
        """Close the connections that are not in use, and from now on each after its use."""
        idle, self._idle = self._idle, Closing()
        close_all(idle)
        self._background.close()

    def forget(self) -> None:
        """Drop the connections of a parent process, and send nothing on their sockets."""
        self._idle = deque()
        self._background.forget()


def _opening(transport: Transport, address: Address | None, options: Mapping[str, Any]) -> Connect:
    """Give what opens connections."""
    if is_plain(transport, options):
        return lambda seconds: PlainConnection(address, options, seconds)
    # It takes as long to import as Flask.
    from flask_irl.stores.redis.redis_py import connect_by_redis_py

    return connect_by_redis_py(transport, address, options, CONNECT_SECONDS)
