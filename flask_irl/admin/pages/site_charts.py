"""Draw the site's traffic over a span: requests, flagged clients, scores, latency. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from flask_irl.admin.pages.charts import Chart, Series, bars
from flask_irl.operations.history import SiteHistory


class Look(NamedTuple):
    """Describe how a span is drawn.

    Attributes:
        words: The span for people.
        seconds: Seconds that a bar stands for.
        bar: The same for people.
        form: Form of the times below the axis.
    """

    words: str
    seconds: int
    bar: str
    form: str


LOOKS: Final[Mapping[str, Look]] = {
    "5m": Look("5 minutes", 5, "5 seconds", "%H:%M:%S"),
    "1h": Look("hour", 60, "a minute", "%H:%M"),
    "24h": Look("24 hours", 1800, "half an hour", "%H:%M"),
    "7d": Look("7 days", 3 * 3600, "3 hours", "%d %b"),
}
"""Ways to draw the spans that the overview offers."""
OUTCOMES: Final = (
    ("admitted", "admitted", ("allowed",)),
    ("refused", "refused", ("limited", "blocked")),
    ("admitted in shadow mode", "shadow", ("shadow_limited",)),
)
P99: Final = 0.99


def site_charts(history: SiteHistory, threshold: float) -> list[Chart]:
    """Draw all of a span.

    Args:
        history: The span's traffic.
        threshold: The threshold in force, -1 to 0.
    """
    return [
        _traffic(history),
        _flagged(history),
        _scores(history, threshold),
        _latency(history),
    ]


def _traffic(history: SiteHistory) -> Chart:
    look = LOOKS[history["span"]]
    counts = history["counts"]
    series = []
    for label, kind, names in OUTCOMES:
        values = [sum(own) for own in zip(*(counts[name] for name in names), strict=True)]
        if kind != "shadow" or any(values):
            series.append(Series(label, kind, grouped(history, look, values, sum)))
    refused = sum(counts["limited"]) + sum(counts["blocked"])
    return bars(
        "traffic",
        "Requests",
        f"{sum(history['requests']):,} requests to limited routes in the last {look.words}, "
        f"{refused:,} of them refused; a bar is {look.bar}, times are UTC.",
        places(history, look),
        series,
    )


def _flagged(history: SiteHistory) -> Chart:
    look = LOOKS[history["span"]]
    values = [value or 0 for value in history["flagged_clients"]]
    return bars(
        "flagged",
        "Flagged clients",
        f"Clients at a lower step at a time, as many as a worker has seen; at most {max(values)} "
        f"in the last {look.words}.",
        places(history, look),
        [Series("flagged", "refused", grouped(history, look, values, max))],
    )


def _scores(history: SiteHistory, threshold: float) -> Chart:
    totals = [sum(column) for column in history["scores"]]
    return bars(
        "scores",
        "Scores",
        f"{sum(totals):,} scores that clients got in the last {LOOKS[history['span']].words}; "
        f"below the threshold {threshold:g} a client is anomalous.",
        ["0", *(f"{bound:.1f}" for bound in history["score_bounds"][:-1])],
        [Series("scores", "clients", totals)],
        edges=[(-threshold * len(totals), "threshold")],
    )


def _latency(history: SiteHistory) -> Chart:
    totals = [sum(column) for column in history["latencies"]]
    bounds = [_span(bound) for bound in history["latency_bounds"]]
    return bars(
        "latency",
        "Time of decisions",
        f"Time that {sum(totals):,} requests waited for their decision in the last "
        f"{LOOKS[history['span']].words}{_quantile(totals, bounds)}.",
        [f"≤ {bound}" for bound in bounds] + [f"> {bounds[-1]}"],
        [Series("requests", "clients", totals)],
    )


def _quantile(totals: Sequence[int], bounds: Sequence[str]) -> str:
    whole = sum(totals)
    if not whole:
        return ""
    place = next(i for i, count in enumerate(accumulate(totals)) if count >= P99 * whole)
    last = len(bounds) - 1
    return f"; 99% at most {bounds[place]}" if place <= last else f"; p99 is over {bounds[last]}"


def grouped(
    history: SiteHistory, look: Look, values: Sequence[int], join: Callable[[list[int]], int]
) -> list[float]:
    """Put the figures of periods together to those of bars, by sum or maximum."""
    groups = _groups(history, look)
    found: dict[int, list[int]] = {group: [] for group in groups}
    for group, value in zip(groups, values, strict=True):
        found[group].append(value)
    return [float(join(own)) for own in found.values()]


def _groups(history: SiteHistory, look: Look) -> list[int]:
    """Give the bar of each period: bars begin at whole times, so that they stay what they are."""
    seconds, since = look.seconds, int(history["since"])
    resolution = history["resolution_seconds"]
    return [(since + i * resolution) // seconds for i in range(len(history["requests"]))]


def places(history: SiteHistory, look: Look) -> list[str]:
    """Name the bars by their beginnings, in UTC."""
    return [
        datetime.datetime.fromtimestamp(group * look.seconds, datetime.UTC).strftime(look.form)
        for group in dict.fromkeys(_groups(history, look))
    ]


def _span(seconds: float) -> str:
    return f"{seconds * 1000:g} ms"
