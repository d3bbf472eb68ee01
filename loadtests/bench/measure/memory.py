"""Measure bytes of Redis per client, MiB of a gunicorn worker, and the start of a worker."""

from __future__ import annotations

import compileall
import statistics
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Final, cast

import redis

import flask_irl
from flask_irl.config.sources import resolve
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.open import open_limiter
from loadtests.bench.cases import PATH, PLENTY
from loadtests.bench.cases.apps import Bench
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.cases.worker import HEADER
from loadtests.bench.measure.gunicorn import get, gunicorn
from loadtests.bench.measure.load import KINDS, NAMES
from loadtests.servers import redis_server

CHUNK: Final = 5_000
REQUESTS_PER_CLIENT: Final = 3
SAMPLE: Final = 200
PREFIX: Final = "irl"
START_PATIENCE: Final = 60.0
START_PROGRAM: Final = """
import sys, time
start = time.perf_counter()
from loadtests.bench.cases.worker import create
app = create(sys.argv[1], sys.argv[2])
environ = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/api/data", "QUERY_STRING": "",
    "SERVER_NAME": "bench", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
    "wsgi.input": sys.stdin.buffer, "wsgi.errors": sys.stderr, "wsgi.multithread": True,
    "wsgi.multiprocess": True, "wsgi.run_once": False, "HTTP_X_BENCH_CLIENT": "one",
}
b"".join(app(environ, lambda status, headers, error=None: print(status)))
print(time.perf_counter() - start, flush=True)
"""


def redis_memory(bench: Bench, clients: int) -> float:
    """Let clients come to a new server, and give the bytes by which its memory grew for each.

    Each has one limit, a full profile and a verdict; buffers of connections and keys of the site
    don't count.
    """
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
        server.delete(f"{PREFIX}1:{{192.0.2.1}}")
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
        limiter.close()
    return (after - before) / clients


def worker_memory(bench: Bench, requests: int) -> dict[str, float]:
    """Give the resident MiB of a gunicorn worker, bare and ours, that has served requests."""
    _compile()
    return {kind: _worker(bench, kind, requests) for kind in ("bare", "flask_irl")}


def _worker(bench: Bench, kind: str, requests: int) -> float:
    with gunicorn(bench, kind) as server:
        connection = server.connect()
        server.wait(connection)
        for number in range(requests):
            address = f"10.8.{number % bench.clients >> 8}.{number % 256}"
            status, _ = get(connection, PATH, {HEADER: address})
            if status != 200:
                raise BenchError(f"the {kind} worker answered {status}")
        state = server.wait(connection, ready=True)
        connection.close()
    return float(state["rss_mib"])


def start_seconds(bench: Bench, rounds: int) -> dict[str, float]:
    """Time from import to a first answer, on Redis, by system: medians, taken in turn."""
    _compile()
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    random = Random(1)
    for _ in range(rounds + 1):
        for kind in random.sample(KINDS, len(KINDS)):
            command = [sys.executable, "-c", START_PROGRAM, kind, bench.url]
            run = subprocess.run(command, capture_output=True, text=True, timeout=START_PATIENCE)
            if run.returncode != 0 or not run.stdout.startswith("200 "):
                raise BenchError(f"no {kind} app: {(run.stdout + run.stderr).strip()[-300:]}")
            times[kind].append(float(run.stdout.split()[-1]))
    # The first time reads files that others find in memory.
    return {NAMES[kind]: statistics.median(values[1:]) for kind, values in times.items()}


def _compile() -> None:
    """Compile the package, as pip does where it installs one; a checkout may never be compiled."""
    compileall.compile_dir(Path(flask_irl.__file__).parent, quiet=2)


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
