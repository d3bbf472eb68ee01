"""Put gunicorn under load: many clients, then the same beside a flood from a few."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import redis

from loadtests.bench.cases import PATH
from loadtests.bench.cases.apps import Bench
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.cases.worker import HEADER
from loadtests.bench.measure.gunicorn import gunicorn

NAMES: Final = {"bare": "Flask", "flask_irl": "flask_irl", "flask_limiter": "Flask-Limiter"}
"""Names of the systems, by kind of app."""
KINDS: Final = tuple(NAMES)
WORKERS, THREADS = 2, 4
LIMIT: Final = 100
"""Requests per minute and client."""
NORMAL, FLOODING = 10_000, 5
"""Clients. So many normal ones that none of them gets near the limit."""
NORMAL_CONNECTIONS, FLOOD_CONNECTIONS = 8, 16
PATIENCE: Final = 150.0


@dataclass(frozen=True)
class Load:
    """Hold answers per second, times in ms, and the share that was refused."""

    per_second: float
    p50: float
    p99: float
    refused: float


@dataclass(frozen=True)
class UnderLoad:
    """Hold the loads of one system: of normal clients alone, beside a flood, and of the flood."""

    system: str
    alone: Load
    beside: Load
    flood: Load


def client_name() -> str:
    """Name the HTTP client: wrk where it is installed."""
    return "wrk" if shutil.which("wrk") else "own client (apt-get install wrk for a faster one)"


def under_load(bench: Bench, seconds: float, rounds: int) -> list[UnderLoad]:
    """Put each system under load, in turn, and take medians of the rounds."""
    runs: dict[str, list[tuple[Load, Load, Load]]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        # Each in another place each time: other work of the machine falls on all alike.
        for kind in (*KINDS[number % 3 :], *KINDS[: number % 3]):
            runs[kind].append(_once(bench, kind, seconds))
    return [
        UnderLoad(NAMES[kind], *(_median(loads) for loads in zip(*some, strict=True)))
        for kind, some in runs.items()
    ]


def _once(bench: Bench, kind: str, seconds: float) -> tuple[Load, Load, Load]:
    with redis.Redis.from_url(bench.url) as server:
        server.flushall()
    with gunicorn(bench, kind, limit=LIMIT, workers=WORKERS, threads=THREADS) as server:
        server.wait(server.connect())
        url = server.url + PATH
        # Connections and the workers' caches, and the imports of the first requests.
        _loads(_start(url, NORMAL_CONNECTIONS, seconds / 4, "warm-", NORMAL))
        (alone,) = _loads(_start(url, NORMAL_CONNECTIONS, seconds, "normal-", NORMAL))
        # The flood begins a little before, and ends a little after, the measured stretch.
        flood = _start(url, FLOOD_CONNECTIONS, seconds + 0.5, "flood-", FLOODING)
        beside, flooding = _loads(
            _start(url, NORMAL_CONNECTIONS, seconds, "normal-", NORMAL), flood
        )
    check_loads(kind, alone, beside, flooding, seconds)
    return alone, beside, flooding


def check_loads(kind: str, alone: Load, beside: Load, flood: Load, seconds: float) -> None:
    """Raise :class:`BenchError` if normal clients were refused, or a flood was not."""
    if alone.refused or beside.refused:
        raise BenchError(f"{NAMES[kind]} refused normal clients")
    admitted = flood.per_second * (seconds + 0.5) * (1.0 - flood.refused)
    if kind != "bare" and admitted > 2.5 * LIMIT * FLOODING:
        raise BenchError(f"{NAMES[kind]} admitted {admitted:.0f} requests of a flood")


def client_command(
    wrk: str | None, url: str, connections: int, seconds: float, prefix: str, clients: int
) -> list[str]:
    """Write the command of the HTTP client: wrk's, if ``wrk`` is its path, which knows whole
    seconds only. Clients are called by prefix and number.
    """
    names = [HEADER, prefix, str(clients)]
    if wrk is None:
        module = "loadtests.bench.measure.client"
        return [sys.executable, "-m", module, url, str(connections), f"{seconds:g}", *names]
    command = [wrk, "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(1, round(seconds))}s"]
    return [*command, "--script", str(Path(__file__).with_name("wrk.lua")), url, "--", *names]


def _start(
    url: str, connections: int, seconds: float, prefix: str, clients: int
) -> subprocess.Popen[str]:
    command = client_command(shutil.which("wrk"), url, connections, seconds, prefix, clients)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _loads(*clients: subprocess.Popen[str]) -> list[Load]:
    loads = []
    try:
        for process in clients:
            output, _ = process.communicate(timeout=PATIENCE)
            if process.returncode != 0:
                raise BenchError(f"the HTTP client ended with {process.returncode}: {output}")
            loads.append(load_of(json.loads(output.strip().splitlines()[-1])))
    finally:
        for process in clients:
            process.kill()
            process.wait()
    return loads


def load_of(figures: dict[str, Any]) -> Load:
    """Read the figures of an HTTP client; raise :class:`BenchError` if a connection failed."""
    if figures["failed"]:
        raise BenchError(f"{figures['failed']} connections failed")
    return Load(
        figures["requests"] / figures["seconds"],
        figures["p50_us"] / 1e3,
        figures["p99_us"] / 1e3,
        figures["refused"] / max(1, figures["requests"]),
    )


def _median(loads: Sequence[Load]) -> Load:
    return Load(*(statistics.median(values) for values in zip(*map(astuple, loads), strict=True)))
