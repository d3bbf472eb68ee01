"""Play a name server whose answer for a Redis changes, as it does when a managed one fails over."""

from __future__ import annotations

import socket
from typing import Any, Protocol

import pytest

from tests.redis_server import HOST

NAME = "redis.test"


class Listening(Protocol):
    """Listen on a loopback port."""

    @property
    def port(self) -> int: ...


class MovingName:
    """Lead new connections to ``redis.test`` to whichever server the name stands for by then.

    Args:
        patch: Puts the name server in place for a test.
        server: The server that the name stands for at first.

    Attributes:
        looked_up: How often the name was looked up.
    """

    def __init__(self, patch: pytest.MonkeyPatch, server: Listening) -> None:
        self._server = server
        self._ask = socket.getaddrinfo
        self.looked_up = 0
        patch.setattr(socket, "getaddrinfo", self._look_up)

    @property
    def url(self) -> str:
        """Give the storage URI of whatever the name stands for."""
        return f"redis://{NAME}:6379/0"

    def move(self, server: Listening) -> None:
        """Have the name stand for another server; connections that are open stay where they are."""
        self._server = server

    def _look_up(self, host: Any, port: Any, *arguments: Any, **named: Any) -> Any:
        if host != NAME:
            return self._ask(host, port, *arguments, **named)
        self.looked_up += 1
        # A test has one loopback address, so that the port tells the servers apart.
        return self._ask(HOST, self._server.port, *arguments, **named)
