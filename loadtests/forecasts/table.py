"""Show the errors of forecasts in tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.forecasts.forecast import Errors
from loadtests.forecasts.series import KINDS
from loadtests.tables import Table

NAMES: Final = ("5 min", "1 h")
BASE: Final = "flat"
"""The model that others are compared with: today's."""
SEASONAL: Final = "seasonal"


@dataclass(frozen=True)
class Result:
    """Hold the outcome of a model on a log.

    Args:
        log: Name of the log.
        model: Name of the model.
        errors: Errors at each distance.
        found: Share of attacked bins above the upper quantile, at each distance.
        fit_seconds: CPU time of fitting.
        forecast_seconds: CPU time of forecasts.
        state_bytes: Bytes kept for each series.
        model_bytes: Bytes kept for all series together.
        bound: Mean bound for failed logins that a campaign is named beyond, and the share of bins
            above it; where the model gives means.
    """

    log: str
    model: str
    errors: Sequence[Errors]
    found: Sequence[float]
    fit_seconds: float
    forecast_seconds: float
    state_bytes: int
    model_bytes: int
    bound: tuple[float, float] | None = None


def sections(results: Sequence[Result]) -> Iterator[Table]:
    """Make the tables: errors, errors against the flat rate by kind, bounds, costs."""
    yield _errors(results)
    yield _kinds(results)
    yield _bounds(results)
    yield _costs(results)


def _errors(results: Sequence[Result]) -> Table:
    figures = ("absolute error", "pinball 0.99", "above 0.99", "attack above")
    headings = ("log", "model", *(f"{figure}, {name}" for figure in figures for name in NAMES))
    rows = [
        (
            result.log,
            result.model,
            *(f"{each.absolute:.3f}" for each in result.errors),
            *(f"{each.pinball:.3f}" for each in result.errors),
            *(f"{each.above:.2%}" for each in result.errors),
            *(f"{share:.0%}" for share in result.found),
        )
        for result in results
    ]
    return Table(headings, rows, left=2, title="Errors, in units of the mean count")


def _kinds(results: Sequence[Result]) -> Table:
    base = {result.log: result for result in results if result.model == BASE}
    headings = ("log", "model", *(f"{kind}, {name}" for name in NAMES for kind in KINDS))
    rows = []
    for result in results:
        if result.model == BASE:
            continue
        pairs = zip(result.errors, base[result.log].errors, strict=True)
        rows.append(
            (
                *(result.log, result.model),
                *(_against(own, flat, kind) for own, flat in pairs for kind in KINDS),
            )
        )
    return Table(headings, rows, left=2, title="Pinball loss at 0.99 against the flat rate")


def _against(own: Errors, flat: Errors, kind: str) -> str:
    before = flat.kinds.get(kind)
    return f"{own.kinds[kind] / before - 1:+.0%}" if before else ""


def _bounds(results: Sequence[Result]) -> Table:
    rows = [
        (result.log, result.model, f"{result.bound[0]:.1f}", f"{result.bound[1]:.3%}")
        for result in results
        if result.bound and result.model in (BASE, SEASONAL)
    ]
    title = "Failed logins in five minutes beyond which a campaign would be named"
    return Table(("log", "model", "mean bound", "bins above"), rows, left=2, title=title)


def _costs(results: Sequence[Result]) -> Table:
    by_model: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_model[result.model].append(result)
    rows = [
        (
            model,
            f"{sum(each.fit_seconds for each in some):.1f}",
            f"{sum(each.forecast_seconds for each in some):.1f}",
            f"{some[0].state_bytes:,}",
            f"{max(each.model_bytes for each in some):,}",
        )
        for model, some in by_model.items()
    ]
    headings = ("model", "CPU s to fit", "CPU s to forecast", "bytes a series", "bytes in all")
    return Table(headings, rows, title="Costs, of all logs")
