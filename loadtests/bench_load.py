"""gunicorn under load: many clients, then the same beside a flood from a few."""

from __future__ import annotations

import http.client
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from loadtests.bench_apps import Bench
from loadtests.bench_gunicorn import gunicorn, model_file
from loadtests.bench_subject import PATH, BenchError
from loadtests.bench_worker import HEADER

KINDS = ("bare", "flask_irl", "flask_limiter")
NAMES = {"bare": "Flask", "flask_irl": "flask_irl", "flask_limiter": "Flask-Limiter"}
WORKERS, THREADS = 2, 4
LIMIT = 100
"""Requests per minute and client."""
NORMAL, FLOODING = 10_000, 5
"""Clients. So many normal ones that none of them gets near the limit."""
NORMAL_CONNECTIONS, FLOOD_CONNECTIONS = 8, 16
PATIENCE = 30.0


@dataclass(frozen=True)
class Load:
    """What clients of one kind saw.

    Attributes:
        per_second: Answers.
        p50: ms.
        p99: ms.
        refused: Share of the answers.
    """

    per_second: float
    p50: float
    p99: float
    refused: float


@dataclass(frozen=True)
class UnderLoad:
    """One system under gunicorn.

    Attributes:
        system: Its name.
        alone: What the normal clients see without a flood.
        beside: What they see beside one.
        flood: What the flood sees.
    """

    system: str
    alone: Load
    beside: Load
    flood: Load


def client_name() -> str:
    """What asks: wrk where it is installed, else a client of our own."""
    return "wrk" if shutil.which("wrk") else "own client (apt-get install wrk for a faster one)"


def under_load(bench: Bench, seconds: float, rounds: int) -> list[UnderLoad]:
    """Put each system under load, in turn, so many times; medians.

    Raises:
        BenchError: A normal client was refused, a flood wasn't, or a connection failed.
    """
    found: dict[str, list[tuple[Load, Load, Load]]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        # Each in another place each time: what the machine does meanwhile falls on all alike.
        for kind in (*KINDS[number % 3 :], *KINDS[: number % 3]):
            found[kind].append(_once(bench, kind, seconds))
    return [
        UnderLoad(NAMES[kind], *(_median(loads) for loads in zip(*runs, strict=True)))
        for kind, runs in found.items()
    ]


def _once(bench: Bench, kind: str, seconds: float) -> tuple[Load, Load, Load]:
    with redis.Redis.from_url(bench.url) as server:
        server.flushall()
    with ExitStack() as stack:
        blob = stack.enter_context(model_file(bench))
        served = stack.enter_context(
            gunicorn(kind, bench.url, blob, limit=LIMIT, workers=WORKERS, threads=THREADS)
        )
        served.wait(http.client.HTTPConnection("127.0.0.1", served.port, timeout=10))
        url = served.url + PATH
        # Connections and the workers' caches, and whatever is imported with the first requests.
        _loads(_asking(url, NORMAL_CONNECTIONS, seconds / 4, "warm-", NORMAL))
        (alone,) = _loads(_asking(url, NORMAL_CONNECTIONS, seconds, "normal-", NORMAL))
        # The flood begins a little before, and ends a little after, what is looked at.
        flood = _asking(url, FLOOD_CONNECTIONS, seconds + 0.5, "flood-", FLOODING)
        beside, flooding = _loads(
            _asking(url, NORMAL_CONNECTIONS, seconds, "normal-", NORMAL), flood
        )
    _check(kind, alone, beside, flooding, seconds)
    return alone, beside, flooding


def _check(kind: str, alone: Load, beside: Load, flood: Load, seconds: float) -> None:
    if alone.refused or beside.refused:
        raise BenchError(f"{NAMES[kind]} refused normal clients")
    admitted = flood.per_second * (seconds + 0.5) * (1.0 - flood.refused)
    if kind != "bare" and admitted > 2.5 * LIMIT * FLOODING:
        raise BenchError(f"{NAMES[kind]} admitted {admitted:.0f} requests of a flood")


def _asking(
    url: str, connections: int, seconds: float, prefix: str, clients: int
) -> subprocess.Popen[str]:
    who = [HEADER, prefix, str(clients)]
    if shutil.which("wrk"):
        script = str(Path(__file__).with_name("bench_wrk.lua"))
        # wrk only knows whole seconds.
        command = ["wrk", "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{max(1, round(seconds))}s", "--script", script, url, "--", *who]
    else:
        command = [sys.executable, "-m", "loadtests.bench_client", url]
        command += [str(connections), f"{seconds:g}", *who]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _loads(*asking: subprocess.Popen[str]) -> list[Load]:
    loads = []
    try:
        for process in asking:
            output, _ = process.communicate(timeout=PATIENCE + 120.0)
            if process.returncode != 0:
                raise BenchError(f"the HTTP client ended with {process.returncode}: {output}")
            loads.append(_load(json.loads(output.strip().splitlines()[-1])))
    finally:
        for process in asking:
            process.kill()
            process.wait()
    return loads


def _load(figures: dict[str, Any]) -> Load:
    if figures["failed"]:
        raise BenchError(f"{figures['failed']} connections failed")
    requests = max(1, figures["requests"])
    return Load(
        figures["requests"] / figures["seconds"],
        figures["p50_us"] / 1e3,
        figures["p99_us"] / 1e3,
        figures["refused"] / requests,
    )


def _median(loads: Sequence[Load]) -> Load:
    middle = statistics.median
    return Load(
        middle(load.per_second for load in loads),
        middle(load.p50 for load in loads),
        middle(load.p99 for load in loads),
        middle(load.refused for load in loads),
    )
