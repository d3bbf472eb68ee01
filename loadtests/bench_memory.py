"""What flask_irl keeps: bytes of Redis per client, and MiB of a gunicorn worker."""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

import redis

from flask_irl.engine import open_limiter
from flask_irl.limiter import Limiter
from flask_irl.options import resolve
from loadtests.bench_apps import PLENTY, Bench
from loadtests.bench_server import free_port, redis_server
from loadtests.bench_subject import PATH, BenchError

CHUNK = 5_000
REQUESTS_PER_CLIENT = 3
SAMPLE = 200
PREFIX = "irl"
START_SECONDS = 30.0
READY_SECONDS = 30.0
STATE_PATH = "/bench-state"


@dataclass(frozen=True)
class RedisMemory:
    """Redis memory of clients with one limit, a full profile and a verdict.

    Attributes:
        clients: How many there were.
        bytes_per_client: Growth of the server's used memory, its clients' buffers and the site's
            own keys left out, per client.
        key_bytes: MEMORY USAGE of a client's key, the median of a sample: without its share in
            the tables of all keys.
    """

    clients: int
    bytes_per_client: float
    key_bytes: float


def redis_memory(bench: Bench, clients: int) -> RedisMemory:
    """Let so many clients come to a new server, and see what it takes.

    Raises:
        BenchError: Not every client got a profile.
    """
    with redis_server() as url, redis.Redis.from_url(url) as server:
        options = resolve(
            {
                "storage_uri": url,
                "key_prefix": PREFIX,
                "background": False,
                "base_limit": PLENTY,
                # Here a server that is slow for once must not make the figure wrong.
                "store_timeout": 5.0,
            },
            {},
            {},
        )
        limiter = open_limiter(options)
        bench.model.install(limiter)
        _visit(limiter, ["192.0.2.1"])
        server.delete(f"{PREFIX}1:{{192.0.2.1}}")
        before = _used(server)
        addresses = _addresses(clients)
        for start in range(0, clients, CHUNK):
            _visit(limiter, addresses[start : start + CHUNK])
        after = _used(server)
        sample = Random(1).sample(addresses, min(SAMPLE, clients))
        if any(state is None or not state.profile for state in limiter.store.load(sample)):
            raise BenchError("a client has no profile in Redis")
        keys = [f"{PREFIX}1:{{{address}}}" for address in sample]
        usage = [server.memory_usage(key) or 0 for key in keys]
        limiter.close()
    return RedisMemory(clients, (after - before) / clients, statistics.median(usage))


def _addresses(clients: int) -> list[str]:
    """Different addresses, of all lengths."""
    numbers = Random(2).sample(range(1 << 24), clients)
    return [f"{n % 223 + 1}.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in numbers]


def _visit(limiter: Limiter, addresses: list[str]) -> None:
    plan = limiter.plan(())
    random = Random(3)
    for _ in range(REQUESTS_PER_CLIENT):
        for address in addresses:
            decision = limiter.decide(plan, (address,))
            limiter.observe(
                decision,
                route=PATH,
                path=random.randrange(1 << 32),
                method="GET",
                status=200,
                size=random.randrange(5_000),
            )
    limiter.flush()


def _used(server: redis.Redis) -> int:
    """Bytes in use, without connections' buffers and the site's own keys."""
    readings = []
    for _ in range(5):
        # A table that grows is there twice until all has moved.
        memory = server.info("memory")
        readings.append(int(memory["used_memory"]) - int(memory["mem_clients_normal"]))
        time.sleep(0.1)
    site = [server.memory_usage(key, 0) or 0 for key in _site_keys(server)]
    return min(readings) - sum(site)


def _site_keys(server: redis.Redis) -> list[bytes]:
    return cast("list[bytes]", server.keys(f"{PREFIX}1.{{site}}.*"))


@dataclass(frozen=True)
class Worker:
    """A gunicorn worker that has served requests.

    Attributes:
        rss_mib: Its resident memory.
        start_seconds: From the start of gunicorn to the first answer.
    """

    rss_mib: float
    start_seconds: float


def worker(bench: Bench, kind: str, requests: int) -> Worker:
    """Run gunicorn with one worker, ask it, and read what memory it has.

    Args:
        bench: What all cases share.
        kind: ``bare`` or ``flask_irl``, the latter on Redis with a model.
        requests: How many it serves first.

    Raises:
        BenchError: It doesn't start, or the model isn't in force in time.
    """
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as folder:
        blob = Path(folder, "model")
        blob.write_bytes(bench.model.blob)
        target = f"loadtests.bench_worker:create({kind!r}, {bench.url!r}, {str(blob)!r})"
        with _gunicorn(target) as (port, started):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            state = _wait_for_state(connection, kind, started)
            start_seconds = time.monotonic() - started
            for number in range(requests):
                address = f"10.8.{number % bench.clients >> 8}.{number % 256}"
                status, _ = _get(connection, PATH, {"X-Bench-Client": address})
                if status != 200:
                    raise BenchError(f"the {kind} worker answered {status}")
            state = _wait_for_state(connection, kind, time.monotonic(), ready=True)
            connection.close()
    return Worker(state["rss_mib"], start_seconds)


@contextmanager
def _gunicorn(target: str) -> Iterator[tuple[int, float]]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--workers", "1", "--no-control-socket"]
    started = time.monotonic()
    process = subprocess.Popen(
        [*command, "--bind", f"127.0.0.1:{port}", "--log-level", "error", target]
    )
    try:
        yield port, started
    finally:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_state(
    connection: http.client.HTTPConnection, kind: str, since: float, *, ready: bool = False
) -> dict[str, Any]:
    """Ask until the worker answers, and, with ``ready``, has learned and has its model."""
    state: dict[str, Any] = {}
    while time.monotonic() - since < (READY_SECONDS if ready else START_SECONDS):
        try:
            status, body = _get(connection, STATE_PATH, {})
        except OSError:
            connection.close()
        else:
            state = json.loads(body)
            if status == 200 and (state["ready"] or not ready):
                return state
        time.sleep(0.02)
    raise BenchError(f"the {kind} worker is not ready: {state}")


def _get(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> tuple[int, bytes]:
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read()
