"""Serve the apps of :mod:`loadtests.bench.cases.worker` with gunicorn."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadtests.bench.cases import PLENTY
from loadtests.bench.cases.apps import Bench
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.cases.worker import STATE_PATH
from tests.redis_server import HOST, free_port

PATIENCE: Final = 30.0
"""Seconds until a worker answers, and until it has learned."""


@dataclass(frozen=True)
class WorkerServer:
    """Describe a gunicorn: kind of app, loopback port."""

    kind: str
    port: int

    @property
    def url(self) -> str:
        """Give its URL."""
        return f"http://{HOST}:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        """Make a connection."""
        return http.client.HTTPConnection(HOST, self.port, timeout=10)

    def wait(
        self, connection: http.client.HTTPConnection, *, ready: bool = False
    ) -> dict[str, Any]:
        """Ask until a worker answers, and, with ``ready``, has learned and has its model."""

        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                status, body = get(connection, STATE_PATH, {})
                state: dict[str, Any] = json.loads(body)
                if status == 200 and (state["ready"] or not ready):
                    return state
            except OSError:
                connection.close()
            time.sleep(0.02)
        raise BenchError(f"the {self.kind} worker is not ready")


@contextmanager
def gunicorn(
    bench: Bench, kind: str, *, limit: int = PLENTY, workers: int = 1, threads: int = 1
) -> Iterator[WorkerServer]:
    """Run gunicorn until the block ends, with a kind of app and a limit per minute and client.

    With more than one thread its worker class is gthread.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as folder:
        blob = Path(folder, "model")
        blob.write_bytes(bench.model.blob)
        arguments = f"{kind!r}, {bench.url!r}, {str(blob)!r}, {limit}"
        command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--log-level", "error"]
        command += ["--workers", str(workers), "--threads", str(threads)]
        command += ["--bind", f"{HOST}:{port}", f"loadtests.bench.cases.worker:create({arguments})"]
        with subprocess.Popen(command) as process:
            try:
                yield WorkerServer(kind, port)
            finally:
                # Its grace is half a minute at most.
                process.terminate()


def get(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> tuple[int, bytes]:
    """Ask over a connection that stays open, and return status and body."""
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read()
