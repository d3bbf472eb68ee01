"""Make the tables of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from loadtests.bench.cases.apps import OURS
from loadtests.bench.cases.catalogue import (
    BARE,
    FLASK_LIMITER,
    IN_FLASK_EVALSHA,
    KEYED,
    OF_TENANT,
    OURS_FULL,
    PLANNED,
    REFUSED,
    STORES,
    THROTTLED,
    TOLD,
    our_name,
    their,
    throttled,
)
from loadtests.bench.report.figures import Report, added
from loadtests.bench.report.served import served_table
from loadtests.bench.report.targets import outcomes
from loadtests.tables import Table
from loadtests.targets import summary, table

SYSTEMS: Final = (BARE[0], OURS, FLASK_LIMITER, THROTTLED)
FEATURES: Final = {
    "two limits more": our_name(3, True, True),
    "a plan for everybody": PLANNED,
    "a plan by a function of the app's": TOLD,
    "a tenant by its path": OF_TENANT,
    "an API key of the limiter's": KEYED,
}
"""What a request may cost more, with the case that shows it."""


def overview(report: Report) -> Iterator[Table | str]:
    """Make what documents show of a run: one figure in each cell."""
    yield from _parts(report)
    if report.get("gunicorn"):
        yield served_table(report["gunicorn"])
    yield table(outcomes(report))
    yield machine_of(report)


def sections(report: Report) -> Iterator[Table | str]:
    """Make the whole report of a run, part by part."""
    settings = ", ".join(f"{name} {value}" for name, value in report["settings"].items())
    yield f"{machine_of(report)}\n{settings}"
    if report.get("gunicorn"):
        yield served_table(report["gunicorn"])
    if report["cases"]:
        yield _cases(report)
    if report["redis_calls"]:
        yield _calls(report)
    yield from _parts(report)
    if report["details"]:
        details = [(name, f"{value:g}") for name, value in report["details"].items()]
        yield Table(("about the trainings", ""), details)
    yield table(outcomes(report))
    yield summary(outcomes(report))


def _parts(report: Report) -> Iterator[Table]:
    """Make the tables that documents show, of the groups that were measured."""
    if rows := _compared(report):
        title = (
            f"{FLASK_LIMITER}: sliding window counter, headers; {THROTTLED}: fixed window, no "
            "headers. Medians; background work of flask_irl included."
        )
        yield Table(("", *SYSTEMS), rows, title=title)
    if rows := _features(report):
        yield Table(("flask_irl adds to a request, µs", "memory", "Redis"), rows, left=1)
    if report["growth"]:
        yield _growth(report)
    # Reports of earlier builds have none.
    if found := report.get("flush_us_per_observation"):
        yield _flushes(found)


def machine_of(report: Report) -> str:
    """Describe the machine of a run, with the versions of all that was measured."""
    machine = report["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, load {machine['load']} "
        f"at the start; {machine['python']}, {machine['redis']}; {libraries}; "
        f"HTTP client: {report['load']['client']}"
    )


def _compared(report: Report) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    if report["cases"]:
        rows += _single(report)
    for count in ("one limit", "three limits"):
        figures: dict[str, float] = {}
        for one in report["redis_calls"]:
            if count in one["case"]:
                figures.setdefault(one["system"], one["round_trips"])
        if figures:
            rows.append(_row(f"round trips to Redis, {count}", figures))
    for clients in dict.fromkeys(one["clients"] for one in report["cpu_us_per_request"]):
        some = [one for one in report["cpu_us_per_request"] if one["clients"] == clients]
        figures = {one["system"]: one["worker"] + one["server"] for one in some}
        rows.append(_row(f"CPU of worker and Redis a request, {clients:,} clients, µs", figures))
    loads = report["load"]["systems"]
    for when, text in (("alone", ""), ("beside", " beside a flood")) if loads else ():
        for member, unit in (
            ("per_second", "requests a second"),
            ("p50", "p50 ms"),
            ("p99", "p99 ms"),
        ):
            figures = {one["system"]: one[when][member] for one in loads}
            rows.append(_row(f"gunicorn, two workers{text}: {unit}", figures))
    figures = {one["system"]: 100 * one["flood"]["refused"] for one in loads}
    if loads:
        rows.append(_row("of the flood refused, %", figures))
    if report["start_seconds"]:
        rows.append(_row("start of a worker, s", report["start_seconds"]))
    return rows


def _single(report: Report) -> Iterator[Sequence[str]]:
    """Make the rows on single requests."""
    times = added(report)
    for store, text in (("redis", "on Redis"), ("memory", "in memory")):
        keys = ((OURS, store, OURS_FULL), their(store), throttled(store, headers=False))
        figures = dict(zip(SYSTEMS[1:], (times[key] for key in keys), strict=True))
        yield _row(f"added to a request {text}, one limit, µs", figures)
    figures = {BARE[0]: times[IN_FLASK_EVALSHA]}
    yield _row("added by a call of Redis that does nothing, µs", figures)
    whole = {(one["system"], one["store"], one["case"]): one["p50_us"] for one in report["cases"]}
    yield _row("a whole request without a limiter, µs", {BARE[0]: whole[BARE]})
    figures = {OURS: whole[OURS, "redis", REFUSED]}
    yield _row("a refusal of a client known to be over its limit, µs", figures)


def _features(report: Report) -> list[Sequence[str]]:
    """Make the rows on features: one limit with all that is on by default, and more beyond that."""
    times = added(report)
    usual = [times.get((OURS, store, OURS_FULL)) for store in STORES]
    rows: list[Sequence[str]] = []
    for text, name in FEATURES.items():
        cells = [
            "" if time is None or base is None else f"{time - base:+.0f}"
            for base, time in zip(usual, (times.get((OURS, x, name)) for x in STORES), strict=True)
        ]
        if any(cells):
            rows.append((text, *cells))
    if rows:
        first = ("" if base is None else _figure(base) for base in usual)
        rows.insert(0, ("one limit, headers, a model", *first))
    return rows


def _row(text: str, figures: Mapping[str, float]) -> tuple[str, ...]:
    cells = (figures.get(system) for system in SYSTEMS)
    return (text, *("" if value is None else _figure(value) for value in cells))


def _figure(value: float) -> str:
    """Write two digits at least, and all before the point."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


def _cases(report: Report) -> Table:
    rows = []
    for one in report["cases"]:
        key = (one["system"], one["store"], one["case"])
        low, high = one["added_us_quartiles"]
        beyond = (f"{one['added_us']:.1f}", f"{low:.1f} to {high:.1f}")
        figures = ("", "") if key == BARE else beyond
        own = (f"{one['mean_us']:.1f}", f"{one['p99_us']:.0f}")
        rows.append((*key, f"{one['p50_us']:.1f}", *figures, *own))
    headings = ("system", "store", "µs per request, medians of rounds", "p50", "added")
    return Table((*headings, "quartiles", "mean", "p99"), rows, left=3)


def _calls(report: Report) -> Table:
    rows = [
        (one["system"], one["case"], f"{one['round_trips']:.2f}", " ".join(one["commands"]))
        for one in report["redis_calls"]
    ]
    return Table(("Redis per request", "", "round trips", "sent"), rows, left=2)


def _growth(report: Report) -> Table:
    grown = sorted(report["growth"], key=lambda one: (one["by"], one["store"], one["size"]))
    rows = [
        (one["by"], one["store"], f"{one['size']:,}", f"{one['p50']:.0f}", f"{one['added']:.0f}")
        for one in grown
    ]
    headings = ("growth of", "store", "number", "a whole request, µs", "added, µs")
    return Table(headings, rows, left=2)


def _flushes(costs: Sequence[Mapping[str, Any]]) -> Table:
    """Make the rows on flushes: with a history, and without."""
    figures = {(one["store"], one["clients"], one["history"]): one for one in costs}
    rows = []
    for store, clients, history in figures:
        if history:
            on, off = (figures[store, clients, kept] for kept in (True, False))
            times = (on["worker"], off["worker"], on["server"])
            cells = [f"{time:.1f}" if time else "" for time in times]
            rows.append((store, f"{clients:,}", *cells))
    headings = ("a flush, µs of CPU a request", "clients", "worker", "without history", "Redis")
    return Table(headings, rows, left=1)
