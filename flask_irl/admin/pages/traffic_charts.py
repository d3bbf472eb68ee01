"""Draw what was refused and flagged by the hour or the day. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from flask_irl.admin.pages.charts import Chart, Series, bars
from flask_irl.admin.pages.site_charts import Look, grouped, places
from flask_irl.operations.history import SPANS, SiteHistory

LOOKS: Final[Mapping[str, Look]] = {
    "24h": Look("24 hours", 3600, "an hour", "%H:%M"),
    "7d": Look("7 days", 86_400, "a day", "%d %b"),
    "35d": Look("35 days", 86_400, "a day", "%d %b"),
}
"""Ways to draw the spans of the view on traffic."""
REFUSED: Final = (
    ("refused", "refused", ("limited", "blocked")),
    ("admitted in shadow mode", "shadow", ("shadow_limited",)),
    ("refused by the app", "clients", ("refused_by_app",)),
)
FLAGGED: Final = (("of flagged clients", "refused", ("flagged",)),)


RINGS: Final[Mapping[str, str]] = {"24h": "7d"}
"""Spans of the history that have the hours of a span; others have their own."""


def hours_of(span: str, read: Callable[[str], SiteHistory]) -> SiteHistory:
    """Read the history of a span by the hour, which is quicker than by the minute.

    Args:
        span: One of :data:`LOOKS`.
        read: Reads the history of a span.
    """
    found = read(RINGS.get(span, span))
    hours = SPANS[span].seconds // found["resolution_seconds"]
    return {
        **found,
        "span": span,
        "since": found["since"] + (len(found["requests"]) - hours) * found["resolution_seconds"],
        "requests": found["requests"][-hours:],
        "counts": {name: values[-hours:] for name, values in found["counts"].items()},
    }


def traffic_charts(history: SiteHistory) -> list[Chart]:
    """Draw the refused requests of a span, and those of flagged clients.

    Args:
        history: The span's traffic, by the hour.
    """
    return [
        _chart(history, "refused", "Refused requests", REFUSED),
        _chart(history, "flagged-requests", "Requests of flagged clients", FLAGGED),
    ]


def _chart(
    history: SiteHistory,
    name: str,
    title: str,
    parts: tuple[tuple[str, str, tuple[str, ...]], ...],
) -> Chart:
    look, counts = LOOKS[history["span"]], history["counts"]
    series: list[Series] = []
    told: list[str] = []
    for label, kind, names in parts:
        values = [sum(own) for own in zip(*(counts[name] for name in names), strict=True)]
        if any(values) or not series:
            series.append(Series(label, kind, grouped(history, look, values, sum)))
            told.append(f"{sum(values):,} {label}")
    return bars(
        name,
        title,
        f"{sum(history['requests']):,} requests in the last {look.words}: {', '.join(told)}. "
        f"A bar is {look.bar}, and times are UTC.",
        places(history, look),
        series,
    )
