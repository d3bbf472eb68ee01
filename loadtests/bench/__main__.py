"""Run ``make bench``: compare flask_irl with its rivals, in one run on one machine.

Every time is that of a whole WSGI call of the same small Flask app, except for raw calls, which are
marked, and for requests to gunicorn. The environment variable BENCH_JSON names a file for the
figures, too.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from loadtests import stored
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.report import chart
from loadtests.bench.report.figures import report_of
from loadtests.bench.report.tables import overview, sections
from loadtests.bench.report.targets import outcomes
from loadtests.bench.run import DEFAULT, GROUPS, PRESETS, run
from loadtests.tables import make_console, print_markdown, print_parts
from loadtests.targets import is_missed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, or read an earlier one's figures, and show them; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.chart and find_spec("matplotlib") is None:
        print('a chart needs matplotlib: pip install "flask-irl[plot]"', file=sys.stderr)
        return 2
    if (report := options.read) is None:
        preset = next((PRESETS[name] for name in PRESETS if getattr(options, name)), DEFAULT)
        try:
            report = report_of(run(preset, _say, options.only, options.before))
        except (BenchError, RuntimeError) as error:
            print(f"the benchmark failed: {error}", file=sys.stderr)
            return 1
        _say("")
        for path in dict.fromkeys((options.json, os.environ.get("BENCH_JSON"))):
            if path:
                stored.write(Path(path), report)
    if options.markdown:
        print_markdown(overview(report))
    else:
        print_parts(make_console(), sections(report))
    if options.chart:
        chart.draw(report, options.chart)
    return int(is_missed(outcomes(report)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench",
        description="Measure what flask_irl and other rate limiters cost a small Flask app, in one "
        "run on one machine. Twenty minutes.",
        epilog="Exit code: 0 if every figure is as wanted, 1 if one is missed or the benchmark "
        "failed, 2 for a wrong call. A figure that other work on the machine made unsure is not "
        "judged; no figure of a run with --quick is.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--quick", action="store_true", help="rough figures in a minute or two")
    source.add_argument(
        "--full", action="store_true", help="up to a million clients; takes far longer"
    )
    source.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    source.add_argument(
        "--read",
        type=partial(stored.read, "cases"),
        metavar="FILE",
        help="show the figures of an earlier run, by its JSON, instead of running",
    )
    parser.add_argument(
        "--only",
        type=_groups,
        default=tuple(GROUPS),
        metavar="GROUP[,GROUP]",
        help=f"measure only these groups: {', '.join(GROUPS)}",
    )
    parser.add_argument(
        "--before",
        default="",
        metavar="REV",
        help="measure another revision, too, or a folder with one, in turn",
    )
    parser.add_argument(
        "--json", type=stored.target, metavar="FILE", help="write the figures to FILE, as JSON"
    )
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="draw the comparison, PNG or SVG"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print tables for documents instead of the report"
    )
    return parser


def _groups(text: str) -> tuple[str, ...]:
    """Read the names of groups."""
    names = tuple(text.split(","))
    for name in names:
        if name not in GROUPS:
            raise argparse.ArgumentTypeError(
                f"there is no group {name!r}; there are {', '.join(GROUPS)}"
            )
    return names


def _say(text: str) -> None:
    """Show the progress, in one line, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
