"""Serve a build's app with gunicorn, and look at its workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loadtests.bench.cases.served import STATE_PATH
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.measure.before import Build
from loadtests.bench.measure.gunicorn import PATIENCE, WorkerServer
from tests.redis_server import HOST, free_port

THREADS: Final = 4
TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@contextmanager
def serve(build: Build, kind: str, url: str, workers: int) -> Iterator[WorkerServer]:
    """Run gunicorn until the block ends; its log is shown where it fails."""
    port = free_port()
    arguments = ["-m", "gunicorn", "--no-control-socket", "--log-level", "error"]
    arguments += ["--workers", str(workers), "--threads", str(THREADS), "--keep-alive", "60"]
    app = f"{build.module}:create({kind!r}, {url!r}, {str(build.blob)!r})"
    command = [sys.executable, *arguments, "--bind", f"{HOST}:{port}", app]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, cwd=build.folder, env=build.environ, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield WorkerServer(kind, port)
        except BaseException:
            log.seek(0)
            sys.stderr.buffer.write(log.read()[-4000:])
            raise
        finally:
            process.terminate()


def wait(server: WorkerServer, name: str, workers: int, *, ready: bool = True) -> None:
    """Wait until all workers answer, and, with ``ready``, have their model and their store."""
    deadline = time.monotonic() + PATIENCE
    found: set[int] = set()
    while time.monotonic() < deadline:
        pid, is_ready = state(server)
        if pid and (is_ready or not ready):
            found.add(pid)
            if len(found) == workers:
                return
        time.sleep(0.01)
    raise BenchError(f"{name}: {len(found)} of {workers} workers are ready")


def state(server: WorkerServer) -> tuple[int, bool]:
    connection = server.connect()
    try:
        connection.request("GET", STATE_PATH)
        state = json.loads(connection.getresponse().read())
        return int(state["pid"]), bool(state["ready"])
    except OSError:
        return 0, False
    finally:
        connection.close()


def cpu_of(server: WorkerServer) -> float:
    """Read the CPU seconds of all processes of a gunicorn; 0 where the system doesn't tell."""
    pid, _ = state(server)
    try:
        master = _stat(pid)[1]
        children = Path(f"/proc/{master}/task/{master}/children").read_text("ascii").split()
        ticks = sum(sum(map(int, _stat(int(child))[11:13])) for child in children)
    except OSError:
        return 0.0
    return ticks / TICKS


def _stat(pid: int) -> list[str]:
    """Read a process's status from behind its name, which may hold anything."""
    text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    return text.rpartition(")")[2].split()
