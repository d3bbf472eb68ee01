"""Show the site's traffic over time, from rollups in its own store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypedDict

from flask_irl.behaviour.rollups import (
    ANSWERS,
    LATENCIES,
    MAXIMA,
    NOTHING,
    OUTCOMES,
    SCORE_BUCKETS,
    SUMS,
)
from flask_irl.errors import ConfigurationError
from flask_irl.stores.base import Store

COUNTS: Final = (
    *OUTCOMES,
    "refused_by_app",
    "flagged",
    *(f"flagged_{answer}" for answer in ANSWERS),
    "store_errors",
)
"""Names of the columns that are counts."""


class Span(NamedTuple):
    """Describe a span of time up to now, and the resolution at which it is kept, in seconds."""

    seconds: int
    resolution: int


SPANS: Final[Mapping[str, Span]] = {
    "5m": Span(5 * 60, 1),
    "1h": Span(3600, 10),
    "24h": Span(24 * 3600, 60),
    "7d": Span(7 * 24 * 3600, 3600),
    "35d": Span(35 * 24 * 3600, 3600),
}
"""Spans by name."""


class SiteHistory(TypedDict):
    """Describe the traffic of a span: columns of one entry for each period, the earliest first.

    Members:
        span: Its name.
        since: Beginning of the first period, in seconds since the epoch.
        until: The present, in the midst of the last period.
        resolution_seconds: Length of a period.
        requests: All requests to limited routes, refused ones included.
        counts: Columns of counts by name, see :data:`COUNTS`.
        flagged_clients: Clients at a lower step, as many as a worker has seen in two minutes; None
            where nobody came.
        model_version: The model in force; None where nobody came, 0 for none.
        score_bounds: Lower ends of the buckets of scores.
        scores: A column for each bucket: scores of the clients judged.
        latency_bounds: Upper ends of the buckets of latencies, in seconds; one more has the rest.
        latencies: A column for each bucket: times that decisions took.
    """

    span: str
    since: float
    until: float
    resolution_seconds: int
    requests: list[int]
    counts: dict[str, list[int]]
    flagged_clients: list[int | None]
    model_version: list[int | None]
    score_bounds: list[float]
    scores: list[list[int]]
    latency_bounds: list[float]
    latencies: list[list[int]]


def read_history(store: Store, span: str) -> SiteHistory:
    """Read the traffic of a span, in one round trip and the store's time.

    Args:
        store: The store.
        span: One of :data:`SPANS`.

    Raises:
        ConfigurationError: There is no such span.
        StoreError: The store failed.
    """
    if span not in SPANS:
        raise ConfigurationError(f"span is {span!r}: give one of {', '.join(SPANS)}")
    seconds, resolution = SPANS[span]
    now = store.now()
    last = int(now) - int(now) % resolution
    begins = range(last - seconds + resolution, last + 1, resolution)
    found = store.rollups(resolution, begins[0], last)
    rows = [found.get(begin) for begin in begins]
    columns = list(zip(*((row or NOTHING).sums for row in rows), strict=True))
    sums = {name: list(column) for name, column in zip(SUMS, columns, strict=True)}
    counts = {name: sums[name] for name in COUNTS}
    maxima = {
        name: [None if row is None else row.maxima[place] for row in rows]
        for place, name in enumerate(MAXIMA)
    }
    return {
        "span": span,
        "since": float(begins[0]),
        "until": now,
        "resolution_seconds": resolution,
        "requests": [sum(own) for own in zip(*(counts[name] for name in OUTCOMES), strict=True)],
        "counts": counts,
        "flagged_clients": maxima["flagged_clients"],
        "model_version": maxima["model_version"],
        "score_bounds": [-(b + 1) / SCORE_BUCKETS for b in range(SCORE_BUCKETS)],
        "scores": [sums[f"score_{b}"] for b in range(SCORE_BUCKETS)],
        "latency_bounds": list(LATENCIES),
        "latencies": [sums[f"latency_{b}"] for b in range(len(LATENCIES) + 1)],
    }
