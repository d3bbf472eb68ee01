"""The figures for people and for programs."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Sequence

from loadtests import bench_wider
from loadtests.bench_figures import BARS, Bar, Figure, Results, quartiles
from loadtests.bench_table import aligned


def to_json(results: Results) -> str:
    """The figures for programs."""
    bare = results.bare
    cases = []
    for timing in results.timings:
        added = timing.added(bare)
        low, high = quartiles(added)
        cases.append(
            {
                "system": timing.case.system,
                "store": timing.case.store,
                "case": timing.case.name,
                "p50_us": round(timing.p50, 2),
                "added_us": round(statistics.median(added), 2),
                "added_us_quartiles": [round(low, 2), round(high, 2)],
                "mean_us": round(timing.mean, 2),
                "p99_us": round(timing.p99, 2),
            }
        )
    ratios = results.ratios()
    report = {
        "cases": cases,
        "ratios": {name: round(figure.value, 4) for name, figure in ratios.items()},
        "quartiles": {
            name: [round(figure.low, 4), round(figure.high, 4)] for name, figure in ratios.items()
        },
        "bars": {bar.name: bar.bar for bar in BARS},
        "details": results.details(),
        **bench_wider.to_json(results.wider),
        "machine": dataclasses.asdict(results.machine),
        "settings": {**results.settings, "seconds": round(results.seconds, 1)},
    }
    return json.dumps(report, indent=1) + "\n"


def to_text(results: Results) -> str:
    """The figures for people."""
    machine = results.machine
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    heading = [
        f"{machine.cpu}, {machine.cores} cores, {machine.system}, load {machine.load} at the start",
        f"{machine.python}, {machine.redis}",
        libraries,
        ", ".join(f"{name} {value}" for name, value in results.settings.items())
        + f"; took {results.seconds:.0f} s",
    ]
    wider = bench_wider.to_text(results.wider)
    parts = (heading, _cases(results), [wider], _bars(results), _details(results))
    return "\n\n".join("\n".join(part) for part in parts)


def _cases(results: Results) -> list[str]:
    rows: list[Sequence[str]] = [
        ("", "", "µs per request, medians of rounds", "p50", "added", "quartiles", "mean", "p99")
    ]
    bare = results.bare
    for timing in results.timings:
        added = timing.added(bare)
        low, high = quartiles(added)
        is_bare = timing is bare
        rows.append(
            (
                timing.case.system,
                timing.case.store,
                timing.case.name,
                f"{timing.p50:.1f}",
                "" if is_bare else f"{statistics.median(added):.1f}",
                "" if is_bare else f"{low:.1f} to {high:.1f}",
                f"{timing.mean:.1f}",
                f"{timing.p99:.0f}",
            )
        )
    return aligned(rows, left=3)


def _bars(results: Results) -> list[str]:
    ratios = results.ratios()
    rows: list[Sequence[str]] = [
        ("", "against the bars of the design", "measured", "quartiles", "bar", "aim", "")
    ]
    for bar in BARS:
        figure = ratios[bar.name]
        digits = 0 if bar.unit == " B" else 1 if bar.unit else 2
        one = figure.low == figure.high
        rows.append(
            (
                bar.name,
                bar.text,
                f"{figure.value:.{digits}f}{bar.unit}",
                "" if one else f"{figure.low:.{digits}f} to {figure.high:.{digits}f}",
                f"<= {bar.bar:g}{bar.unit}",
                f"{bar.floor:g}{bar.unit}",
                _verdict(bar, figure, results.busy),
            )
        )
    lines = aligned(rows, left=2)
    if results.busy:
        lines.append("Other work kept the cores busy: p99 tells of that, not of the training.")
    return lines


def _verdict(bar: Bar, figure: Figure, busy: bool) -> str:
    if busy and bar.name == "p99_while_training":
        return "unsure"
    return "met" if figure.value <= bar.bar else "MISSED"


def _details(results: Results) -> list[str]:
    rows = [(name, f"{value:g}") for name, value in results.details().items()]
    return ["beside the bars", *aligned(rows, left=1)]
