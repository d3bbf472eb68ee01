"""Stand between a limiter and its server as a network does that is slow, or loses packets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from tests.redis_server import HOST, Closing, free_port

PIECE = 65_536


class Proxy(Closing):
    """Forward connections to a server, with the faults of a network.

    Args:
        port: The server's port on 127.0.0.1.

    Attributes:
        port: The proxy's own.
        delay: Gives the seconds by which the next piece of an answer is late.
        dropping: Whether all that is sent is lost: connections stay open, and nobody is told.
    """

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.delay: Callable[[], float] = lambda: 0.0
        self.dropping = False
        self._server = port
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen."""
        self._listener = socket.create_server((HOST, self.port))
        self._begin(self._accept)

    def close(self) -> None:
        """Close all connections, and end."""
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5.0)

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="faults-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self._server))
            except OSError:
                return
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [client, server]
            self._begin(lambda c=client, s=server: self._forward(c, s, late=False))  # type: ignore[misc]
            self._begin(lambda c=client, s=server: self._forward(s, c, late=True))  # type: ignore[misc]

    def _forward(self, source: socket.socket, target: socket.socket, *, late: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                if late:
                    time.sleep(self.delay())
                if not self.dropping:
                    target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
