"""Measure the memory of flask_irl: bytes of Redis per client, MiB of a gunicorn worker."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from random import Random
from typing import Final, cast

import redis

from flask_irl.config.sources import resolve
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from loadtests.bench.cases import PATH, PLENTY
from loadtests.bench.cases.apps import Bench
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.cases.worker import HEADER
from loadtests.bench.measure.gunicorn import get, gunicorn
from loadtests.servers import redis_server

CHUNK: Final = 5_000
REQUESTS_PER_CLIENT: Final = 3
SAMPLE: Final = 200
PREFIX: Final = "irl"


@dataclass(frozen=True)
class RedisMemory:
    """Hold the Redis memory of clients with one limit, a full profile and a verdict.

    ``bytes_per_client`` is growth of the server's used memory, without buffers of connections and
    keys of the site; ``key_bytes`` the median MEMORY USAGE of a client's key, without its share in
    the tables of all keys.
    """

    clients: int
    bytes_per_client: float
    key_bytes: float


@dataclass(frozen=True)
class Worker:
    """Hold a gunicorn worker's resident memory, and its seconds to the first answer."""

    rss_mib: float
    start_seconds: float


def redis_memory(bench: Bench, clients: int) -> RedisMemory:
    """Let clients come to a new server, and read its memory before and after."""
    with redis_server() as url, redis.Redis.from_url(url) as server:
        settings = {
            "storage_uri": url,
            "key_prefix": PREFIX,
            "background": False,
            "base_limit": PLENTY,
            # Here a server that is slow for once must not make the figure wrong.
            "store_timeout": 5.0,
        }
        limiter = open_limiter(resolve(settings, {}, {}))
        bench.model.install(limiter)
        _visit(limiter, ["192.0.2.1"])
        server.delete(_key("192.0.2.1"))
        before = _used(server)
        # Addresses of all lengths.
        numbers = Random(2).sample(range(1 << 24), clients)
        addresses = [f"{n % 223 + 1}.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in numbers]
        for start in range(0, clients, CHUNK):
            _visit(limiter, addresses[start : start + CHUNK])
        after = _used(server)
        sample = Random(1).sample(addresses, min(SAMPLE, clients))
        if any(state is None or not state.profile for state in limiter.store.load(sample)):
            raise BenchError("a client has no profile in Redis")
        usage = [server.memory_usage(_key(address)) or 0 for address in sample]
        limiter.close()
    return RedisMemory(clients, (after - before) / clients, statistics.median(usage))


def worker_memory(bench: Bench, kind: str, requests: int) -> Worker:
    """Run gunicorn with one worker, let it serve requests, and read its memory."""
    with gunicorn(bench, kind) as server:
        connection = server.connect()
        server.wait(connection)
        start_seconds = time.monotonic() - server.started
        for number in range(requests):
            address = f"10.8.{number % bench.clients >> 8}.{number % 256}"
            status, _ = get(connection, PATH, {HEADER: address})
            if status != 200:
                raise BenchError(f"the {kind} worker answered {status}")
        state = server.wait(connection, ready=True)
        connection.close()
    return Worker(state["rss_mib"], start_seconds)


def _key(address: str) -> str:
    return f"{PREFIX}1:{{{address}}}"


def _visit(limiter: Limiter, addresses: list[str]) -> None:
    plan = limiter.plan(())
    random = Random(3)
    for _ in range(REQUESTS_PER_CLIENT):
        for address in addresses:
            decision = limiter.decide(plan, (address,))
            path, size = random.randrange(1 << 32), random.randrange(5_000)
            limiter.observe(decision, route=PATH, path=path, method="GET", status=200, size=size)
    limiter.flush()


def _used(server: redis.Redis) -> int:
    """Read the bytes in use, without buffers of connections and keys of the site."""
    readings = []
    for _ in range(5):
        # A table that grows is there twice until all has moved.
        memory = server.info("memory")
        readings.append(int(memory["used_memory"]) - int(memory["mem_clients_normal"]))
        time.sleep(0.1)
    keys = cast("list[bytes]", server.keys(f"{PREFIX}1.{{site}}.*"))
    return min(readings) - sum(server.memory_usage(key, 0) or 0 for key in keys)
