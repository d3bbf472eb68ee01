"""What flask_irl keeps: bytes of Redis per client, and MiB of a gunicorn worker."""

from __future__ import annotations

import http.client
import statistics
import time
from dataclasses import dataclass
from random import Random
from typing import cast

import redis

from flask_irl.config.sources import resolve
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from loadtests.bench_apps import PLENTY, Bench
from loadtests.bench_gunicorn import get, gunicorn, model_file
from loadtests.bench_server import redis_server
from loadtests.bench_subject import PATH, BenchError
from loadtests.bench_worker import HEADER

CHUNK = 5_000
REQUESTS_PER_CLIENT = 3
SAMPLE = 200
PREFIX = "irl"


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
    with model_file(bench) as blob, gunicorn(kind, bench.url, blob) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        served.wait(connection)
        start_seconds = time.monotonic() - served.started
        for number in range(requests):
            address = f"10.8.{number % bench.clients >> 8}.{number % 256}"
            status, _ = get(connection, PATH, {HEADER: address})
            if status != 200:
                raise BenchError(f"the {kind} worker answered {status}")
        state = served.wait(connection, ready=True)
        connection.close()
    return Worker(state["rss_mib"], start_seconds)
