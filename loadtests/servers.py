"""Start the servers of benchmark and load test: Redis, and any other process."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import redis

try:
    from tests.servers import RedisServer, redis_binary
except ImportError:  # the folder of the tests is not everywhere
    HAVE_TESTS = False
else:
    HAVE_TESTS = True

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 20.0

T = TypeVar("T")


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends, with options of :class:`subprocess.Popen`.

    Kill it if it does not stop when told to.
    """
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            if options.get("start_new_session"):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()


def wait_for(attempt: Callable[[], T | None], seconds: float) -> T | None:
    """Repeat an attempt until it returns a result; None if it does not in time."""
    deadline = time.monotonic() + seconds
    while (result := attempt()) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return result


@contextmanager
def redis_server() -> Iterator[str]:
    """Start an empty Redis server without persistence, and give its URL.

    Raise :class:`RuntimeError` if none is installed, or it does not start.
    """
    if HAVE_TESTS:
        with RedisServer() as server:
            yield server.url
        return
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError("the benchmark needs redis-server on PATH (apt-get install redis)")
    port = free_port()
    url = f"redis://{HOST}:{port}/0"
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as folder:
        command = [binary, "--bind", HOST, "--port", str(port), "--dir", folder]
        command += ["--save", "", "--appendonly", "no"]
        with running(command, stdout=subprocess.DEVNULL), redis.Redis.from_url(url) as client:
            if wait_for(lambda: _pings(client) or None, START_SECONDS) is None:
                raise RuntimeError(f"no Redis server answered on {url}")
            yield url


def server_origin() -> str:
    """Describe the binary of the Redis server, such as ``(redis-server)``; may be empty."""
    return f"({redis_binary()[0].name})" if HAVE_TESTS else ""


def free_port() -> int:
    """Choose a loopback port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
