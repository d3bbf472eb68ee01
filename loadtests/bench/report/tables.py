"""Make the tables of a run."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table

from loadtests.bench.report.figures import BARS, Results, quartiles
from loadtests.tables import make_table


def sections(results: Results) -> Iterator[RenderableType]:
    """Make the report of a run, part by part."""
    yield _heading(results)
    yield _cases(results)
    yield _load(results)
    yield f"load by {results.http_client}, on the same cores"
    yield _calls(results)
    starts = ((name, f"{seconds:.2f}") for name, seconds in results.starts.items())
    yield make_table(("start of a worker: imports and app", "seconds"), starts)
    yield _growth(results)
    yield _cpu(results)
    yield _bars(results)
    if results.busy:
        yield "Other work kept the cores busy: p99 tells of that, not of the training."
    details = ((name, f"{value:g}") for name, value in results.details().items())
    yield make_table(("beside the bars", ""), details)


def _heading(results: Results) -> str:
    machine = results.machine
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    settings = ", ".join(f"{name} {value}" for name, value in results.settings.items())
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.system}, load {machine.load} at the start"
        f"\n{machine.python}, {machine.redis}\n{libraries}\n{settings}; "
        f"took {results.seconds:.0f} s"
    )


def _cases(results: Results) -> Table:
    rows = []
    for timing in results.timings:
        added = timing.added(results.bare)
        beyond = (f"{statistics.median(added):.1f}", _range(*quartiles(added), 1))
        figures = ("", "") if timing is results.bare else beyond
        own = (f"{timing.mean:.1f}", f"{timing.p99:.0f}")
        rows.append((*timing.case.key, f"{timing.p50:.1f}", *figures, *own))
    headings = ("system", "store", "µs per request, medians of rounds", "p50", "added")
    return make_table((*headings, "quartiles", "mean", "p99"), rows, left=3)


def _load(results: Results) -> Table:
    rows = []
    for one in results.load:
        for text, load in (
            ("without a flood", one.alone),
            ("beside a flood", one.beside),
            (f"(the flood: {one.flood.refused:.0%} refused)", one.flood),
        ):
            figures = (f"{load.per_second:.0f}", f"{load.p50:.1f}", f"{load.p99:.1f}")
            rows.append((one.system, text, *figures))
    headings = ("gunicorn on Redis", "normal clients", "per second", "p50 ms", "p99 ms")
    return make_table(headings, rows, left=2)


def _calls(results: Results) -> Table:
    rows = []
    for one in results.calls:
        rows.append((one.system, one.case, f"{one.round_trips:.2f}", " ".join(one.commands)))
    headings = ("Redis per request", "", "round trips", "sent")
    return make_table(headings, rows, left=2)


def _growth(results: Results) -> Table:
    grown = sorted(results.grown, key=lambda one: (one.by, one.store, one.size))
    rows = [(g.by, g.store, f"{g.size:,}", f"{g.p50:.1f}", f"{g.added:.1f}") for g in grown]
    return make_table(("growth of", "on", "number", "p50 µs", "added µs"), rows, left=2)


def _cpu(results: Results) -> Table:
    rows = []
    for one in results.cpu:
        times = (one.worker, one.server, one.worker + one.server)
        rows.append((one.system, f"{one.clients:,}", *(f"{time:.0f}" for time in times)))
    headings = ("all CPU µs per request, Redis", "active clients", "worker", "Redis", "both")
    return make_table(headings, rows)


def _bars(results: Results) -> Table:
    ratios = results.ratios()
    rows = []
    for bar in BARS:
        figure = ratios[bar.name]
        digits = 0 if bar.unit == " B" else 1 if bar.unit else 2
        spread = "" if figure.low == figure.high else _range(figure.low, figure.high, digits)
        verdict = "met" if figure.value <= bar.bar else "MISSED"
        if results.busy and bar.name == "p99_while_training":
            verdict = "unsure"
        value = f"{figure.value:.{digits}f}{bar.unit}"
        rows.append((bar.name, bar.text, value, spread, f"<= {bar.bar:g}{bar.unit}", verdict))
    headings = ("ratio", "against the bars of the design", "measured", "quartiles", "bar")
    return make_table((*headings, ""), rows, left=2)


def _range(low: float, high: float, digits: int) -> str:
    return f"{low:.{digits}f} to {high:.{digits}f}"
