"""Show how many decisions a second a Redis, and a cluster, has for how many workers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from loadtests import stored
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.measure import machine
from loadtests.scale.sites import site_of
from loadtests.scale.workers import DENSE_CLIENTS, Scaled, Shape, measure, prepare
from loadtests.tables import Table, make_console, print_markdown, print_parts

SHAPES: Final[tuple[Shape, ...]] = ("sparse", "dense")
FULL: Final = 0.9
"""Share of a core from which on a server, which runs commands on one, counts as full."""


def run(
    workers: Sequence[int],
    masters: Sequence[int],
    clustered: Sequence[int],
    clients: int,
    seconds: float,
) -> tuple[machine.Machine, list[Scaled]]:
    """Measure each number of workers on a Redis, and some on clusters.

    Args:
        workers: Numbers of workers.
        masters: Numbers of a cluster's masters; 0 for a Redis of its own.
        clustered: Numbers of workers for clusters.
        clients: Number of sparse clients.
        seconds: Time of each measurement.
    """
    found = []
    described = None
    for number in masters:
        _say(f"{_name(number)}: {clients:,} clients come for the first time")
        with site_of(number) as site:
            if described is None:
                described = machine.describe(f"redis://127.0.0.1:{_port(site.servers[0])}")
            prepare(site, clients, min(max(workers), 2 * machine.cores()))
            for shape in SHAPES:
                for count in clustered if number else workers:
                    _say(f"{_name(number)}: {count} workers, {shape} clients")
                    found.append(measure(site, shape, clients, count, seconds))
    assert described is not None
    return described, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and store the figures; return the exit code."""
    options = _parser().parse_args(arguments)
    clustered = options.clustered or options.workers[-3:]
    try:
        described, found = run(
            options.workers, options.masters, clustered, options.clients, options.seconds
        )
    except (BenchError, RuntimeError) as error:
        print(f"the measurement failed: {error}", file=sys.stderr)
        return 1
    _say("")
    if options.json:
        figures = {
            "scaled": [asdict(each) for each in found],
            "machine": asdict(described),
            "clients": options.clients,
            "seconds": options.seconds,
        }
        stored.write(Path(options.json), figures)
    told = (
        f"{described.cores} cores of {described.cpu}, {described.redis}, {described.python}; "
        f"sparse: {options.clients:,} clients at random, dense: {DENSE_CLIENTS:,}"
    )
    if options.markdown:
        print_markdown([table_of(found), told])
    else:
        print_parts(make_console(), [table_of(found), told])
    return 0


def table_of(found: Sequence[Scaled]) -> Table:
    """Make the table of all figures, with the rate at which the busiest server would be full."""
    rows = [
        (
            _name(each.masters),
            each.shape,
            str(each.workers),
            f"{each.rate:,.0f}",
            f"{each.busiest:.0%}" + (" (full)" if each.busiest >= FULL else ""),
            f"{each.room:,.0f}",
            f"{each.server:.0f}",
            f"{each.worker:.0f}",
        )
        for each in found
    ]
    headings = (
        "store",
        "clients",
        "workers",
        "decisions/s",
        "core of the busiest Redis",
        "full at about",
        "Redis µs",
        "worker µs",
    )
    return Table(headings, rows, left=2)


def _name(masters: int) -> str:
    if not masters:
        return "one Redis"
    return f"cluster of {masters}"


def _port(server: object) -> int:
    return int(server.connection_pool.connection_kwargs["port"])  # type: ignore[attr-defined]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.scale",
        description="Measure decisions a second, and the CPU time of Redis, of worker processes "
        "that ask one Redis, or a cluster, as fast as they can, and learn from it.",
        epilog="Exit code: 0, 1 if the measurement failed, 2 for a wrong call. Above as many "
        "workers as there are cores beside those of Redis, it is they that are full.",
    )
    add = parser.add_argument
    add(
        "--workers",
        type=_counts,
        default=(1, 2, 4, 8, 16, 32),
        metavar="N[,N]",
        help="numbers of workers (1,2,4,8,16,32)",
    )
    add(
        "--masters",
        type=_counts,
        default=(0, 1, 2, 3),
        metavar="N[,N]",
        help="masters of clusters, 0 for a Redis of its own (0,1,2,3)",
    )
    add(
        "--clustered",
        type=_counts,
        metavar="N[,N]",
        help="numbers of workers for clusters (the last three of --workers)",
    )
    add("--clients", type=int, default=50_000, metavar="N", help="sparse clients (%(default)s)")
    add("--seconds", type=float, default=2.0, metavar="N", help="of each figure (%(default)s)")
    add("--json", metavar="FILE", help="write the figures to FILE, as JSON")
    add("--markdown", action="store_true", help="print the table for documents")
    return parser


def _counts(text: str) -> tuple[int, ...]:
    """Read numbers, separated by commas."""
    if not all(part.isascii() and part.isdigit() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers, such as 1,2,4")
    return tuple(int(part) for part in text.split(","))


def _say(text: str) -> None:
    """Show the progress, in one line, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
