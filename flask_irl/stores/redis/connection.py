"""Connect to a server over TCP or a Unix socket, and log in.

That takes a page. redis-py takes as long to import as Flask, and several MiB of each worker: it
connects (``redis_py.py``) where there is TLS, or an option that isn't known here.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import hiredis

from flask_irl.stores.location import Address, Transport
from flask_irl.stores.redis.exceptions import (
    ConnectError,
    ConnectTimeoutError,
    InvalidResponse,
    ResponseError,
    answered_error,
)

READ_BYTES: Final = 65_536
KEEPALIVE: Final[Mapping[str, int]] = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
}
"""Seconds until the kernel asks whether a silent server is still there, those between two such
questions, and their number: as redis-py has them, for the options that the system knows."""
TEXTS: Final = frozenset({"username", "password", "client_name", "path"})
DATABASE: Final = "db"
BUSY: Final = ("LOADING ", "ERR max number of clients")
"""Beginnings of answers by a server that takes no connection for now."""


class Connection(Protocol):
    """Hold a socket that is connected and logged in."""

    def _get_socket(self) -> socket.socket:
        """Give the socket."""

    def disconnect(self) -> None:
        """Close it."""


Connect = Callable[[float], Connection]
"""Opens a connection, given the seconds that each step may take."""


class PlainConnection:
    """Hold a connection without TLS.

    Args:
        address: Host and port; None for a Unix socket.
        options: Those of ``TEXTS``, and ``db``.
        seconds: Time-out of each step.

    Raises:
        RedisError: No connection, or the server refuses the login.
    """

    def __init__(self, address: Address | None, options: Mapping[str, Any], seconds: float) -> None:
        self._pid = os.getpid()
        self._name = options["path"] if address is None else f"{address[0]}:{address[1]}"
        try:
            self._sock = self._open(address, options, seconds)
        except TimeoutError:
            raise ConnectTimeoutError("Timeout connecting to server") from None
        except OSError as error:
            raise ConnectError(_told(self._name, error)) from error
        except ValueError as error:
            # No text that a host's name can be.
            raise ConnectError(
                f"Error connecting to {self._name}. The name is not known: {error}."
            ) from error
        try:
            self._log_in(_login(options))
        except BaseException:
            self.disconnect()
            raise

    def _get_socket(self) -> socket.socket:
        return self._sock

    def disconnect(self) -> None:
        """Close it; in a forked process, without a word on the parent's socket."""
        if os.getpid() == self._pid:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._sock.close()

    def __del__(self) -> None:
        # A forked process drops its parent's; and it may not have come to a socket.
        with contextlib.suppress(Exception):
            self.disconnect()

    def _open(
        self, address: Address | None, options: Mapping[str, Any], seconds: float
    ) -> socket.socket:
        if address is None:
            return _connect(socket.AF_UNIX, 0, options["path"], seconds)
        last: OSError | None = None
        for family, _, protocol, _, where in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            try:
                return _connect(family, protocol, where, seconds)
            except OSError as error:
                last = error
        raise last or OSError("the name has no address")

    def _log_in(self, commands: Sequence[tuple[Any, ...]]) -> None:
        """Send commands in one go, and raise the first error that answers one."""
        sock, reader = self._sock, hiredis.Reader(replyError=answered_error)
        answers: list[Any] = []
        try:
            sock.sendall(b"".join(map(hiredis.pack_command, commands)))
            while len(answers) < len(commands):
                answer = reader.gets()
                if answer is False:
                    data = sock.recv(READ_BYTES)
                    if not data:
                        raise ConnectError("Connection closed by server.")
                    reader.feed(data)
                elif isinstance(answer, ResponseError):
                    raise _refusal(answer)
                elif not isinstance(answer, hiredis.PushNotification):
                    answers.append(answer)
        except hiredis.ProtocolError as error:
            raise InvalidResponse(str(error)) from None
        except TimeoutError:
            raise ConnectTimeoutError(f"Timeout reading from {self._name}") from None
        except OSError as error:
            raise ConnectError(f"Error while reading from {self._name} : {error.args}") from error
        if not isinstance(answers[0], dict) or answers[0].get(b"proto") != 3:
            raise ConnectError("Invalid RESP version")


def is_plain(transport: Transport, options: Mapping[str, Any]) -> bool:
    """Tell whether a connection with these options can be opened here."""
    # A path belongs to a Unix socket alone: elsewhere it is a mistake, which redis-py tells of.
    return (transport == "unix" or (transport == "tcp" and "path" not in options)) and all(
        isinstance(value, str | None)
        if name in TEXTS
        else name == DATABASE and isinstance(value, int | str | None)
        for name, value in options.items()
    )


def _connect(family: int, protocol: int, where: Any, seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        if isinstance(where, tuple):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE.items():
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        sock.settimeout(seconds)
        sock.connect(where)
    except BaseException:
        sock.close()
        raise
    return sock


def _login(options: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """List the commands that begin a connection; the first asks for the protocol."""
    user, password = options.get("username"), options.get("password")
    hello: tuple[Any, ...] = ("HELLO", 3)
    if user or password:
        hello += ("AUTH", user or "default", password or "")
    commands = [hello]
    if options.get("client_name"):
        commands.append(("CLIENT", "SETNAME", options["client_name"]))
    if options.get(DATABASE):
        commands.append(("SELECT", options[DATABASE]))
    return commands


def _refusal(answer: ResponseError) -> ConnectError | ResponseError:
    return ConnectError(str(answer)) if str(answer).startswith(BUSY) else answer


def _told(name: str, error: OSError) -> str:
    """Word an error of the system's as redis-py does."""
    number, text = (*error.args, "", "")[:2]
    return f"Error {number} connecting to {name}. {text}."
