"""Show what quota leases save clients that ask often: ``python -m loadtests.bench.leases``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from loadtests.bench.measure.leases import dense_clients
from loadtests.bench.measure.processes import in_fork
from loadtests.tables import Table, make_console


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure with and without leases, and print calls and CPU time of a request."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench.leases",
        description="Count the calls of Redis, and the CPU time, of clients that ask ten times a "
        "second each, with and without quota leases.",
    )
    add = parser.add_argument
    add("--seconds", type=float, default=10.0, help="virtual time (%(default)s)")
    options = parser.parse_args(arguments)
    rows = []
    for clients, workers in ((200, 1), (200, 2), (1, 1)):
        # One client alone asks little in that time.
        seconds = options.seconds * (1 if clients > 1 else 20)
        for leases in (False, True):
            measure = partial(dense_clients, clients, workers, seconds, leases=leases)
            one = in_fork(measure, f"{clients} clients", 600.0)
            rows.append(
                (
                    f"{clients} clients, {workers} workers",
                    "on" if leases else "off",
                    f"{one.calls:.0f}",
                    f"{one.worker:.1f}",
                    f"{one.server:.1f}",
                )
            )
    headings = ("10 requests/s each", "leases", "calls / 1,000", "worker µs", "Redis µs")
    make_console().print(Table(headings, rows, left=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
