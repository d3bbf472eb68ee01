"""Measure the start of a worker: its imports and the making of its app."""

from __future__ import annotations

import statistics
import subprocess
import sys
from random import Random
from typing import Final

from loadtests.bench.cases.apps import Bench
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.measure.load import KINDS, NAMES

PATIENCE: Final = 60.0
PROGRAM: Final = """
import sys, time
start = time.perf_counter()
from loadtests.bench.cases.worker import create
create(sys.argv[1], sys.argv[2])
print(time.perf_counter() - start)
"""


def start_seconds(bench: Bench, rounds: int) -> dict[str, float]:
    """Time from a fresh interpreter to an app on Redis, by system: medians, taken in turn."""
    times: dict[str, list[float]] = {NAMES[kind]: [] for kind in KINDS}
    random = Random(1)
    for number in range(rounds + 1):
        for kind in random.sample(KINDS, len(KINDS)):
            seconds = _start(kind, bench.url)
            # The first time reads files that others find in memory.
            if number:
                times[NAMES[kind]].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def _start(kind: str, url: str) -> float:
    command = [sys.executable, "-c", PROGRAM, kind, url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    if run.returncode != 0:
        raise BenchError(f"no {kind} app: {run.stderr.strip()[-300:]}")
    return float(run.stdout.split()[-1])
