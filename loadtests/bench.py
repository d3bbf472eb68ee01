"""``make bench``: flask_irl beside its rivals, in one run on one machine.

``python -m loadtests.bench [--quick | --full] [--json FILE] [--chart FILE]``. Every time is that
of a whole WSGI call of the same small Flask app, but for raw calls, which are marked, and for what
gunicorn serves. The environment variable BENCH_JSON names a file for the figures, too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from loadtests import bench_background, bench_chart, bench_memory, bench_model, bench_wider
from loadtests.bench_apps import Bench
from loadtests.bench_cases import all_cases
from loadtests.bench_figures import Results
from loadtests.bench_harness import take_turns
from loadtests.bench_report import to_json, to_text
from loadtests.bench_server import describe, redis_server
from loadtests.bench_subject import BenchError


@dataclass(frozen=True)
class Settings:
    """How much of everything.

    Attributes:
        generations: How often the processes of the cases begin anew.
        rounds: Turns of each case, in each generation.
        calls: Measured requests in each turn.
        clients: Different addresses that ask in rotation.
        trainings: Trainings under load.
        training_clients: Made-up clients that the model is trained on.
        training_minutes: For how long they come, in virtual time.
        redis_clients: Clients in Redis when its memory is read.
        worker_requests: Requests that a gunicorn worker serves before its memory is read.
        flush_requests: Requests whose background work is measured.
        wider: Of what goes beyond one request after the other.
    """

    generations: int = 8
    rounds: int = 3
    calls: int = 200
    clients: int = 500
    trainings: int = 12
    training_clients: int = 400
    training_minutes: float = 8.0
    redis_clients: int = 10_000
    worker_requests: int = 3000
    flush_requests: int = 6000
    wider: bench_wider.Amount = bench_wider.DEFAULT


DEFAULT = Settings()
QUICK = Settings(
    generations=3,
    rounds=2,
    calls=50,
    clients=200,
    trainings=2,
    training_clients=150,
    training_minutes=4.0,
    redis_clients=3000,
    worker_requests=1000,
    flush_requests=3000,
    wider=bench_wider.QUICK,
)
FULL = Settings(
    generations=16,
    clients=1000,
    trainings=24,
    redis_clients=100_000,
    wider=bench_wider.FULL,
)
TINY = Settings(1, 1, 2, 20, 1, 60, 8.0, 50, 20, 60, bench_wider.TINY)
PRESETS = {"quick": QUICK, "full": FULL, "tiny": TINY}


def run(settings: Settings) -> Results:
    """Measure everything.

    Raises:
        BenchError: Something was answered otherwise than it must.
        RuntimeError: There is no Redis server, or no model came about.
    """
    started = time.monotonic()
    with redis_server() as url:
        machine = describe(url)
        _say("a model, in virtual time")
        model = bench_model.train(settings.training_clients, settings.training_minutes)
        bench = Bench(url, model, settings.clients)
        _say("the cases, in turn")
        timings = take_turns(
            all_cases(bench),
            generations=settings.generations,
            rounds=settings.rounds,
            calls=settings.calls,
            progress=_say,
        )
        _say("background work")
        flush = {
            store: bench_background.flush_cost(bench, store, settings.flush_requests)
            for store in ("memory", "redis")
        }
        _say("requests while a model trains")
        training = bench_background.p99_while_training(bench, settings.trainings)
        _say("memory of gunicorn workers")
        workers = {
            kind: bench_memory.worker(bench, kind, settings.worker_requests)
            for kind in ("bare", "flask_irl")
        }
        _say("memory of Redis")
        redis = bench_memory.redis_memory(bench, settings.redis_clients)
        wider = bench_wider.measure(bench, settings.wider, _say)
    seconds = time.monotonic() - started
    amounts = dataclasses.asdict(settings)
    amounts |= amounts.pop("wider")
    return Results(timings, training, flush, redis, workers, wider, machine, amounts, seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print its table, write its JSON; the exit status."""
    options = _parser().parse_args(arguments)
    preset = next((PRESETS[name] for name in PRESETS if getattr(options, name)), DEFAULT)
    if options.chart and find_spec("matplotlib") is None:
        print('a chart needs matplotlib: pip install "flask-irl[plot]"', file=sys.stderr)
        return 2
    given = {name: getattr(options, name) for name in _NUMBERS if getattr(options, name)}
    try:
        results = run(dataclasses.replace(preset, **given))
    except (BenchError, RuntimeError) as error:
        print(f"the benchmark failed: {error}", file=sys.stderr)
        return 1
    _say("")
    print(to_text(results))
    for place in dict.fromkeys((options.json, os.environ.get("BENCH_JSON"))):
        if place:
            Path(place).write_text(to_json(results), encoding="utf-8")
    if options.chart:
        bench_chart.draw(json.loads(to_json(results)), Path(options.chart))
    return 0


_NUMBERS = (
    "generations",
    "rounds",
    "calls",
    "clients",
    "trainings",
    "training_clients",
    "redis_clients",
    "worker_requests",
    "flush_requests",
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    preset = parser.add_mutually_exclusive_group()
    preset.add_argument("--quick", action="store_true", help="under a minute, rough")
    preset.add_argument("--full", action="store_true", help="a long while, a million clients")
    preset.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--chart", metavar="FILE", help="draw the comparison there, as a PNG")
    for name in _NUMBERS:
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=_positive, metavar="N", help=argparse.SUPPRESS
        )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not allowed: give 1 or more")
    return number


def _say(text: str) -> None:
    """Show what is going on, in one line, to whoever watches a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
