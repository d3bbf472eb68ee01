"""Serve RESP from a thread as a test wants it: late, in drips, or not at all."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import SHUT_RDWR, create_server, socket
from types import TracebackType
from typing import Self

import hiredis

HOST = "127.0.0.1"
HELLO = b"%1\r\n+proto\r\n:3\r\n"

Answer = Callable[["Connection", Sequence[bytes]], None]
"""Answers one command on a connection."""


class Connection:
    """Send bytes to a client of a fake server.

    Args:
        sock: The accepted socket.
        number: The connection's place in the order of connections, from 0.
        stopped: Set when the server stops.
    """

    def __init__(self, sock: socket, number: int, stopped: threading.Event) -> None:
        self._sock = sock
        self._stopped = stopped
        self.number = number
        self.commands = 0

    def wait(self, seconds: float) -> None:
        """Let time pass, unless the server stops."""
        self._stopped.wait(seconds)

    def send(self, data: bytes) -> None:
        """Send bytes at once."""
        self._sock.sendall(data)

    def drip(self, data: bytes, pause: float) -> None:
        """Send bytes singly, with a pause in seconds after each."""
        for byte in data:
            self.send(bytes([byte]))
            self.wait(pause)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()


class FakeServer:
    """Answer the commands of every connection by a function, but for HELLO and CLIENT.

    Args:
        answer: Answers each other command.
        certificate: Folder with ``cert.pem`` and ``key.pem``; None serves without TLS.
    """

    def __init__(self, answer: Answer, certificate: Path | None = None) -> None:
        self._answer = answer
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        self._listener = create_server((HOST, 0))
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def port(self) -> int:
        """Give the port that the server listens on."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._listener.shutdown(SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5.0)

    def _accept(self) -> None:
        number = 0
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock, number), daemon=True)
            self._threads.append(thread)
            thread.start()
            number += 1

    def _serve(self, sock: socket, number: int) -> None:
        reader = hiredis.Reader()
        try:
            sock.settimeout(5.0)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            sock.settimeout(0.1)
            connection = Connection(sock, number, self._stopped)
            with sock:
                while not self._stopped.is_set():
                    try:
                        data = sock.recv(65_536)
                    except TimeoutError:
                        continue
                    if not data:
                        return
                    reader.feed(data)
                    while (command := reader.gets()) is not False:
                        self._dispatch(connection, command)
        except OSError:
            return

    def _dispatch(self, connection: Connection, command: Sequence[bytes]) -> None:
        name = command[0].upper()
        if name == b"HELLO":
            connection.send(HELLO)
        elif name == b"CLIENT":
            connection.send(b"+OK\r\n")
        else:
            self._answer(connection, command)
            connection.commands += 1


def make_certificate(folder: Path) -> Path:
    """Make a self-signed certificate in a folder, and return the folder."""
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
    )
    subprocess.run(command, check=True, capture_output=True)
    return folder
