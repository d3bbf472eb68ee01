"""Measure the requests per second of ``flask irl replay``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtests.bench.cases.subject import BenchError
from loadtests.bench.measure.before import ROOT, Build

APP: Final = """
from flask import Flask
from flask_irl import IntelligentLimiter

app = Flask("bench")
IntelligentLimiter(app, storage_uri="memory://")
"""
PATIENCE: Final = 600.0


def replayed_per_second(
    builds: Sequence[Build], hours: float, rounds: int
) -> dict[str, list[float]]:
    """Replay a made-up log of some hours with each build, in turn; give the figures by its name.

    Raises:
        BenchError: A build can't replay it.
    """
    found: dict[str, list[float]] = {build.name: [] for build in builds}
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as name:
        log, app = Path(name, "log.csv"), Path(name, "bench_replay.py")
        app.write_text(APP, "ascii")
        writer = [sys.executable, "-m", "loadtests.simulator", "--hours", f"{hours:g}", str(log)]
        subprocess.run(writer, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        requests = log.read_bytes().count(b"\n") - 1
        command = [sys.executable, "-m", "flask", "--app", str(app), "irl", "replay", str(log)]
        for number in range(rounds):
            for build in builds[:: -1 if number % 2 else 1]:
                start = time.perf_counter()
                run = subprocess.run(
                    command,
                    cwd=build.folder,
                    env=build.environ,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                )
                if run.returncode != 0:
                    raise BenchError(f"{build.name} replays no log: {run.stderr.strip()[-300:]}")
                found[build.name].append(requests / (time.perf_counter() - start))
    return found
