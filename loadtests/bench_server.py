"""What the benchmark runs on: a Redis server of its own, and the machine, to be named."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis

try:
    from tests.servers import RedisServer, redis_binary
except ImportError:  # the folder of the tests is not everywhere
    HAVE_TESTS = False
else:
    HAVE_TESTS = True

LIBRARIES = ("Flask", "Werkzeug", "Flask-Limiter", "limits", "throttled-py", "redis", "hiredis")
START_SECONDS = 10.0


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis server of the benchmark's own, empty, without persistence; gives its URL.

    Raises:
        RuntimeError: There is none to run, or it doesn't start.
    """
    if HAVE_TESTS:
        with RedisServer() as server:
            yield server.url
        return
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError("the benchmark needs redis-server on PATH (apt-get install redis)")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as folder:
        command = [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        process = subprocess.Popen(
            [*command, "--appendonly", "no", "--dir", folder], stdout=subprocess.DEVNULL
        )
        try:
            url = f"redis://127.0.0.1:{port}/0"
            _wait_for(url)
            yield url
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"no Redis server answered on {url}") from None
                time.sleep(0.01)


@dataclass(frozen=True)
class Machine:
    """Where figures were measured.

    Attributes:
        cpu: The processor's model.
        cores: Cores that this process may use.
        system: Operating system.
        python: Version of Python.
        redis: Name and version of the server.
        libraries: Versions, by name.
        load: Load average over a minute when the benchmark began.
    """

    cpu: str
    cores: int
    system: str
    python: str
    redis: str
    libraries: dict[str, str]
    load: float


def describe(url: str) -> Machine:
    """This machine, with the server at ``url``."""
    with redis.Redis.from_url(url) as client:
        info: dict[str, Any] = client.info("server")
    name = str(info.get("server_name", "redis"))
    shown = str(info.get(f"{name}_version", info["redis_version"]))
    server = f"{name} {shown}"
    if HAVE_TESTS:
        server += f" ({redis_binary()[0].name})"
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        redis=server,
        libraries={name: version(name) for name in LIBRARIES},
        load=round(os.getloadavg()[0], 2),
    )


def _cores() -> int:
    return os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
