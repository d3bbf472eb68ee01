"""Run ``make bench``: compare flask_irl with its rivals, in one run on one machine.

``python -m loadtests.bench [--quick | --full] [--json FILE] [--chart FILE]``. Every time is that
of a whole WSGI call of the same small Flask app, except for raw calls, which are marked, and for
requests to gunicorn. The environment variable BENCH_JSON names a file for the figures, too.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from loadtests.bench.cases.subject import BenchError
from loadtests.bench.report import chart
from loadtests.bench.report.figures import to_json
from loadtests.bench.report.tables import sections
from loadtests.bench.run import DEFAULT, PRESETS, run
from loadtests.tables import make_console, print_parts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print its tables, write its JSON, and return the exit status."""
    options = _parser().parse_args(arguments)
    preset = next((PRESETS[name] for name in PRESETS if getattr(options, name)), DEFAULT)
    if options.chart and find_spec("matplotlib") is None:
        print('a chart needs matplotlib: pip install "flask-irl[plot]"', file=sys.stderr)
        return 2
    try:
        results = run(preset, _say)
    except (BenchError, RuntimeError) as error:
        print(f"the benchmark failed: {error}", file=sys.stderr)
        return 1
    _say("")
    print_parts(make_console(), sections(results))
    document = to_json(results)
    for path in dict.fromkeys((options.json, os.environ.get("BENCH_JSON"))):
        if path:
            Path(path).write_text(document, encoding="utf-8")
    if options.chart:
        chart.draw(document, Path(options.chart))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    preset = parser.add_mutually_exclusive_group()
    preset.add_argument("--quick", action="store_true", help="under a minute, rough")
    preset.add_argument("--full", action="store_true", help="a long while, a million clients")
    preset.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--chart", metavar="FILE", help="draw the comparison there, as a PNG")
    return parser


def _say(text: str) -> None:
    """Show the progress, in one line, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
