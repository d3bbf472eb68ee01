"""Measure forecasts: ``python -m loadtests.forecasts``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from flask_irl.campaigns.criteria import LOGIN_FLOORS, LOGIN_SPREAD, TIMES
from flask_irl.replay.logs import LogReader
from loadtests.evaluation.__main__ import REAL_LOGS
from loadtests.forecasts import online
from loadtests.forecasts.boosted import boosted
from loadtests.forecasts.forecast import AHEAD, LEARNED, Forecaster, Forecasts, found, measure
from loadtests.forecasts.series import Series, attacked, count, office_hours
from loadtests.forecasts.table import BASE, SEASONAL, Result, sections
from loadtests.simulator.scenarios import generate
from loadtests.tables import make_console, print_markdown, print_parts

LSTM: Final = "LSTM"
NEEDED: Final = ("torch", "onnx", "onnxruntime")
"""Libraries of the LSTM, which the dependency group forecasts holds."""
MODELS: Final[Mapping[str, Forecaster]] = {
    BASE: online.flat,
    "flat, spread learned": online.flat_spread,
    "level alone": online.level,
    SEASONAL: online.seasonal,
    "seasonal, spread learned": online.seasonal_spread,
    "boosted": boosted,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Forecast every log with every model, show the errors, and return the exit code."""
    options = _parser().parse_args(arguments)
    models = _models(options.steps)
    results = []
    for series in _logs(options.logs, options.days, options.seed):
        for name, forecaster in models.items():
            print(f"\r{series.log}: {name:30}", end="", file=sys.stderr, flush=True)
            results.append(judge(series, name, forecaster))
    print(file=sys.stderr)
    if options.markdown:
        print_markdown(sections(results))
    else:
        print_parts(make_console(), sections(results))
    return 0


def judge(series: Series, name: str, forecaster: Forecaster) -> Result:
    """Forecast a log, and once more with attacks in it."""
    forecasts = forecaster(series.counts, series.times)
    with_attacks, mask = attacked(series, LEARNED)
    under_attack = forecaster(with_attacks.counts, series.times)
    places = range(len(AHEAD))
    return Result(
        series.log,
        name,
        [measure(series, forecasts, place) for place in places],
        [found(with_attacks, mask, under_attack, place) for place in places],
        forecasts.fit_seconds,
        forecasts.forecast_seconds,
        forecasts.state_bytes,
        forecasts.model_bytes,
        bound_of(series, forecasts),
    )


def bound_of(series: Series, forecasts: Forecasts) -> tuple[float, float] | None:
    """Give the mean bound of failed logins for a campaign, and the share of bins above it.

    It is that of :func:`flask_irl.campaigns.criteria.odd_logins` for five minutes, where no login
    that succeeds excuses failures.
    """
    rows = [index for index, (kind, _) in enumerate(series.names) if kind == "failed logins"]
    if forecasts.means is None or not rows:
        return None
    expected = forecasts.means[rows, LEARNED:]
    bound = LOGIN_FLOORS["direct"][0][1] + TIMES * expected + LOGIN_SPREAD * np.sqrt(expected)
    above = series.counts[rows, LEARNED:] >= bound
    return float(bound.mean()), float(above.mean())


def _models(steps: int) -> dict[str, Forecaster]:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"No {LSTM}: {', '.join(missing)} not installed.", file=sys.stderr)
        return dict(MODELS)
    from loadtests.forecasts.lstm import lstm

    return {**MODELS, LSTM: partial(lstm, steps=steps)}


def _logs(folder: Path | None, days: float, seed: int) -> Iterator[Series]:
    """Count the real logs of a folder, a made-up one, and draw counts with a strong season."""
    paths = sorted(folder.glob("*.csv.gz")) if folder else []
    if not paths:
        print(f"No real logs in {folder or f'--logs or {REAL_LOGS}'}: left out.", file=sys.stderr)
    for path in paths:
        yield count(path.name.partition(".")[0], LogReader(path))
    rows = generate("clean", seed, 24 * days, "design")
    yield replace(count("simulator", rows, by_answer=True), log=f"simulator, {days:g} days")
    yield office_hours()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.forecasts",
        description="Forecast counts of requests, failed logins and newcomers, five minutes and an "
        "hour ahead, by several models, and show their errors. Three minutes of CPU.",
        epilog="Exit code: 0, or 2 for a wrong call.",
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get(REAL_LOGS),
        help="folder of real logs (*.csv.gz) (default: the environment variable "
        f"{REAL_LOGS}; without it they are left out)",
    )
    add = parser.add_argument
    add(
        "--days",
        type=float,
        default=4.0,
        metavar="N",
        help="length of the made-up log (%(default)s)",
    )
    add("--seed", type=int, default=3, metavar="N", help="seed of the made-up log (%(default)s)")
    add(
        "--steps",
        type=int,
        default=100,
        metavar="N",
        help="steps of the LSTM's trainings (%(default)s)",
    )
    add("--markdown", action="store_true", help="print tables for documents")
    return parser


if __name__ == "__main__":
    sys.exit(main())
