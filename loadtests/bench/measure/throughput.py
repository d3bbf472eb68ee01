"""Measure requests per second and p99 under gunicorn: bare, ours, and the rivals, in turn.

All servers run the whole time, and one of them at a time is under load, so that every round has a
turn of each, close together; figures are ratios within a round.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, Literal

import numpy as np
import redis

from loadtests.bench.cases.catalogue import BARE, FLASK_LIMITER, THROTTLED
from loadtests.bench.cases.served import PATH, STATE_PATH
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.measure.before import Build
from loadtests.bench.measure.cpu import server_cpu
from loadtests.bench.measure.gunicorn import PATIENCE, WorkerServer
from loadtests.bench.measure.server import cpu_of, serve, wait

Shape = Literal["dense", "sparse"]
CLIENTS: Final[Mapping[Shape, int]] = {"dense": 200, "sparse": 10_000}
"""Clients that ask in turn."""
MAIN: Final = 2
"""Workers of the gunicorn whose figures have targets."""
CONNECTIONS: Final = 8
"""Connections to each worker, two for each of its threads."""
RIVALS: Final = {
    "flask_limiter": f"{FLASK_LIMITER}, sliding, headers",
    "flask_limiter_fixed": f"{FLASK_LIMITER}, fixed",
    "throttled": f"{THROTTLED}, fixed",
}
"""Names of the rivals by kind of app."""


@dataclass(frozen=True)
class Turn:
    """Hold the figures of a turn.

    Attributes:
        per_second: Requests answered in a second.
        p50: Median of the answers' times, in ms.
        p99: 99th percentile of them, in ms.
        cpu: CPU of workers and Redis for a request, in µs, background work included: that on the
            requests of the ramp's end instead of the turn's.
        busy: Largest share of a core that a process of the load generator took.
    """

    per_second: float
    p50: float
    p99: float
    cpu: float
    busy: float


@dataclass(frozen=True)
class Served:
    """Hold the turns of a system, one a round.

    Attributes:
        system: Its name.
        workers: Workers of its gunicorn.
        shape: Shape of the load.
        turns: Its turns.
    """

    system: str
    workers: int
    shape: Shape
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Amounts:
    """Set the amounts: numbers of workers with the rounds of each, and the seconds of a turn.

    Before them is a ramp, since clients come again and again on a real site: a server that had no
    requests during the others' turns first learns who asks often.
    """

    rounds: Mapping[int, int]
    seconds: float
    ramp: float


def amounts(
    cores: int, main_rounds: int, rounds: int, seconds: float, ramp: float, most_workers: int = 8
) -> Amounts:
    """Choose the numbers of workers that a machine's cores allow, 1 and 2 at any rate.

    Args:
        cores: Cores of the machine; Redis and the load generator need some, too.
        main_rounds: Rounds with ``MAIN`` workers.
        rounds: Rounds with any other number.
        seconds: Length of a turn.
        ramp: Seconds under load before it.
        most_workers: The largest number.
    """
    allowed = [n for n in (1, 2, 4, 8) if n <= 2 or n + 1 + generators(n) <= cores]
    numbers = [n for n in allowed if n <= most_workers]
    each = {n: main_rounds if n == MAIN else rounds for n in numbers}
    return Amounts(each, seconds, ramp)


def generators(workers: int) -> int:
    """Choose the number of processes that generate load."""
    return 1 if workers <= 2 else workers // 2


def throughput(
    url: str,
    builds: Sequence[Build],
    wanted: Amounts,
    progress: Callable[[str], object] = lambda text: None,
) -> list[Served]:
    """Measure bare Flask, builds of flask_irl and the rivals, with each number of workers.

    Raises:
        BenchError: A request was refused or failed, or a server isn't in the state it must be in.
    """
    found: list[Served] = []
    for workers, rounds in wanted.rounds.items():
        progress(f"gunicorn, {workers} workers")
        found += _with_workers(url, builds, workers, rounds, wanted)
    return found


def _with_workers(
    url: str, builds: Sequence[Build], workers: int, rounds: int, wanted: Amounts
) -> Iterator[Served]:
    turns: dict[tuple[str, Shape], list[Turn]] = {}
    places: dict[Shape, int] = dict.fromkeys(CLIENTS, 0)
    random = Random(workers)
    with ExitStack() as stack, redis.Redis.from_url(url) as connection:
        connection.flushall()
        servers = {BARE[0]: stack.enter_context(serve(builds[0], "bare", url, workers))}
        for build in builds:
            servers[build.name] = stack.enter_context(serve(build, "flask_irl", url, workers))
        for kind, name in RIVALS.items():
            servers[name] = stack.enter_context(serve(builds[0], kind, url, workers))
        for name, server in servers.items():
            wait(server, name, workers, ready=False)
            _load(server, workers, "dense", 0, wanted, lambda: 0.0)
            wait(server, name, workers)
        for _ in range(rounds):
            for shape in CLIENTS:
                # In another order each time: other work of the machine falls on all alike.
                for name in random.sample(list(servers), len(servers)):
                    server, place = servers[name], places[shape]
                    used = partial(_cpu, server, connection)
                    times, asked, busy, cpu = _load(server, workers, shape, place, wanted, used)
                    places[shape] += asked // len(servers)
                    p50, p99 = (float(x) * 1e3 for x in np.percentile(times, (50, 99)))
                    rate = len(times) / wanted.seconds
                    turn = Turn(rate, p50, p99, cpu / len(times) * 1e6, busy)
                    turns.setdefault((name, shape), []).append(turn)
        for name, server in servers.items():
            wait(server, name, workers)
    for (name, shape), some in turns.items():
        yield Served(name, workers, shape, tuple(some))


def _cpu(server: WorkerServer, connection: redis.Redis) -> float:
    """Give the CPU seconds that a gunicorn and Redis have taken."""
    return cpu_of(server) + server_cpu(connection)


def _load(
    server: WorkerServer,
    workers: int,
    shape: Shape,
    place: int,
    wanted: Amounts,
    cpu: Callable[[], float],
) -> tuple[array[float], int, float, float]:
    """Put a server under load; give the times of counted requests, the number of all, the largest
    share of a core that generated it, and the CPU seconds while they counted.
    """
    processes, clients = [], range(CLIENTS[shape])
    count = generators(workers)
    try:
        for number in range(count):
            # Each has clients of its own, so that all of them come in turn.
            told = {
                "port": server.port,
                "path": PATH,
                "state_path": STATE_PATH,
                "connections": CONNECTIONS * workers // count,
                "workers": workers,
                "clients": list(clients[number::count]),
                "first": place // count,
                "seconds": wanted.seconds,
            }
            command = [sys.executable, "-m", "loadtests.bench.measure.generator", json.dumps(told)]
            processes.append(
                subprocess.Popen(
                    command,
                    cwd=Path(__file__).parents[3],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise BenchError(f"no load on {server.kind}")
        begin = time.monotonic() + wanted.ramp
        times, asked, busy = array("d"), 0, 0.0
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{begin!r}\n".encode())
            process.stdin.flush()
        time.sleep(max(begin - time.monotonic(), 0.0))
        used = cpu()
        time.sleep(max(begin + wanted.seconds - time.monotonic(), 0.0))
        used = cpu() - used
        for process in processes:
            output, _ = process.communicate(timeout=PATIENCE)
            if process.returncode != 0:
                raise BenchError(f"{server.kind} under load: see above")
            head, _, body = output.partition(b"\n")
            figures = json.loads(head)
            times.frombytes(body)
            asked += figures["asked"]
            busy = max(busy, figures["busy"])
    finally:
        for process in processes:
            process.kill()
            process.wait()
    if not times:
        raise BenchError(f"{server.kind} answered nothing within {wanted.seconds:g} s")
    return times, asked, busy, used


def in_rounds(ours: Served, other: Served, figure: Callable[[Turn], float]) -> list[float]:
    """Divide a figure by another system's in the same round."""
    pairs = zip(ours.turns, other.turns, strict=True)
    return [figure(own) / max(figure(its), 1e-9) for own, its in pairs]


def median(served: Served, figure: Callable[[Turn], float]) -> float:
    """Give the median of a figure over the rounds."""
    return statistics.median(map(figure, served.turns))
