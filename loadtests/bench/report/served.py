"""Compute figures of the systems under gunicorn, and make their table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from loadtests.bench.cases.apps import OURS
from loadtests.bench.cases.catalogue import BARE
from loadtests.bench.measure.throughput import MAIN, Served, in_rounds, median
from loadtests.bench.report.samples import Figure, figure_of
from loadtests.tables import Table

DIGITS: Final = {"per_second": 1, "p50": 2, "p99": 2, "cpu": 1}
"""Digits of a turn's figures behind the point."""
BUSIEST: Final = 0.8
"""Share of a core beyond which a process of the load generator is the bottleneck."""


def served_figures(systems: Sequence[Served], before: str) -> dict[str, Figure]:
    """Give the figures that have targets, at ``MAIN`` workers or the most below.

    Args:
        systems: All systems; may be none.
        before: Name of the earlier build, or empty.
    """
    if not systems:
        return {}
    workers = max(one.workers for one in systems if one.workers <= MAIN)
    found = {(one.system, one.shape): one for one in systems if one.workers == workers}
    figures: dict[str, Figure] = {}
    for shape in ("dense", "sparse"):
        ours, bare = found[OURS, shape], found[BARE[0], shape]
        rates = in_rounds(ours, bare, attrgetter("per_second"))
        figures[f"gunicorn_rps_vs_bare_{shape}"] = figure_of(rates)
    ours, bare = found[OURS, "dense"], found[BARE[0], "dense"]
    figures["gunicorn_p99_vs_bare"] = figure_of(in_rounds(ours, bare, attrgetter("p99")))
    if before and all(turn.cpu for turn in ours.turns):
        earlier = found[before, "dense"]
        rounds = zip(ours.turns, earlier.turns, bare.turns, strict=True)
        added = [(own.cpu - none.cpu) / max(its.cpu - none.cpu, 1.0) for own, its, none in rounds]
        figures["cpu_vs_before"] = figure_of(added)
    return figures


def rows_of(systems: Sequence[Served]) -> list[dict[str, Any]]:
    """Give the figures of all systems, each with the medians over its turns, ready for JSON."""
    bare = {(one.workers, one.shape): one for one in systems if one.system == BARE[0]}
    return [_row(one, bare[one.workers, one.shape]) for one in systems]


def _row(served: Served, bare: Served) -> dict[str, Any]:
    def versus(name: str) -> float:
        return statistics.median(in_rounds(served, bare, attrgetter(name)))

    figures = {name: median(served, attrgetter(name)) for name in DIGITS}
    return {
        "system": served.system,
        "workers": served.workers,
        "shape": served.shape,
        "rounds": len(served.turns),
        **{name: round(value, DIGITS[name]) for name, value in figures.items()},
        "rps_vs_bare": round(versus("per_second"), 3),
        "p99_vs_bare": round(versus("p99"), 3),
        "busiest_generator": round(max(turn.busy for turn in served.turns), 3),
    }


def served_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Make the table of all systems, by number of workers and shape of the load."""
    order = {(one["workers"], one["shape"]): None for one in rows}
    cells = []
    for key in sorted(order):
        some = [one for one in rows if (one["workers"], one["shape"]) == key]
        for one in sorted(some, key=lambda one: -one["rps_vs_bare"]):
            cells.append(
                (
                    one["system"],
                    f"{one['workers']} x 4, {one['shape']}",
                    f"{one['per_second']:,.0f}",
                    f"{one['rps_vs_bare']:.2f}",
                    f"{one['p99']:.1f}",
                    f"{one['p99_vs_bare']:.2f}",
                    f"{one['cpu']:.0f}",
                )
            )
    headings = ("gunicorn, on Redis", "workers x threads", "requests/s", "to bare", "p99 ms")
    title = (
        "Keep-alive connections, 8 to a worker, a request of each at any time; dense: 200 clients "
        "in turn, sparse: 10,000; nobody is refused. CPU: of workers and Redis, background too."
    )
    return Table((*headings, "to bare", "CPU µs a request"), cells, left=2, title=title)


def bottleneck(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say whether the load generator kept the systems from more; else give nothing."""
    busiest = max((one["busiest_generator"] for one in rows), default=0.0)
    return "the load generator was the bottleneck" * (busiest > BUSIEST)
