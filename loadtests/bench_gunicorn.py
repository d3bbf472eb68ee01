"""gunicorn serving one of the apps of :mod:`loadtests.bench_worker`."""

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
from typing import Any

from loadtests.bench_apps import Bench
from loadtests.bench_server import free_port
from loadtests.bench_subject import BenchError
from loadtests.bench_worker import PLENTY

START_SECONDS = 30.0
READY_SECONDS = 30.0
STATE_PATH = "/bench-state"


@dataclass(frozen=True)
class Served:
    """A gunicorn that was started.

    Attributes:
        kind: Which app it serves.
        port: Where.
        started: When, by the monotonic clock.
    """

    kind: str
    port: int
    started: float

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    def wait(
        self, connection: http.client.HTTPConnection, *, ready: bool = False
    ) -> dict[str, Any]:
        """Ask until a worker answers, and, with ``ready``, has learned and has its model.

        Raises:
            BenchError: It takes too long.
        """
        state: dict[str, Any] = {}
        since = time.monotonic() if ready else self.started
        while time.monotonic() - since < (READY_SECONDS if ready else START_SECONDS):
            try:
                status, body = get(connection, STATE_PATH, {})
            except OSError:
                connection.close()
            else:
                state = json.loads(body)
                if status == 200 and (state["ready"] or not ready):
                    return state
            time.sleep(0.02)
        raise BenchError(f"the {self.kind} worker is not ready: {state}")


@contextmanager
def gunicorn(
    kind: str, url: str, blob: str, *, limit: int = PLENTY, workers: int = 1, threads: int = 1
) -> Iterator[Served]:
    """Run gunicorn until the block ends.

    Args:
        kind: Which app; see :func:`loadtests.bench_worker.create`, as for ``limit``.
        url: The Redis server's.
        blob: The file with flask_irl's model.
        limit: Requests per minute and client.
        workers: How many processes serve.
        threads: Of each; with more than one, its worker class is gthread.
    """
    port = free_port()
    target = f"loadtests.bench_worker:create({kind!r}, {url!r}, {blob!r}, {limit})"
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--log-level", "error"]
    command += ["--workers", str(workers), "--threads", str(threads)]
    started = time.monotonic()
    process = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}", target])
    try:
        yield Served(kind, port, started)
    finally:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def model_file(bench: Bench) -> Iterator[str]:
    """The path of a file with the benchmark's model."""
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as folder:
        path = Path(folder, "model")
        path.write_bytes(bench.model.blob)
        yield str(path)


def get(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> tuple[int, bytes]:
    """Ask, over a connection that is kept; status and body."""
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read()
