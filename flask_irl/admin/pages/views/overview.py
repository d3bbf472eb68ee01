"""Show what happens on the site."""

from __future__ import annotations

from typing import Final

from flask import Response

from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.charts import Chart, Series, bars
from flask_irl.admin.pages.rendering import clock_time, page
from flask_irl.admin.state import current_admin
from flask_irl.operations.rates import Minute
from flask_irl.operations.what_if import Spread

MINUTES: Final = 60
FLAGGED: Final = 8
"""Flagged clients that the overview shows."""


@pages.get("/page/")
def overview() -> Response:
    """Show traffic, flagged clients, scores, store and model."""
    operations = current_admin().operations
    status = operations.status.read()
    if not status["store"]["answers"]:
        return page(
            "overview.html", status=503, state=status, charts=[], flagged=[], total=0, campaigns=[]
        )
    flagged, total = operations.clients.ranked(order="flagged", limit=FLAGGED)
    charts = [
        traffic_chart(operations.status.minutes(MINUTES)),
        score_chart(operations.what_if.spread(), operations.site.limits()["anomaly_threshold"]),
    ]
    return page(
        "overview.html",
        state=status,
        charts=charts,
        flagged=flagged,
        total=total,
        campaigns=operations.campaigns.running(),
    )


def traffic_chart(minutes: list[Minute]) -> Chart:
    """Draw the requests of each minute, by outcome."""
    admitted = [minute["requests"] - minute["refused"] for minute in minutes]
    refused = [minute["refused"] for minute in minutes]
    total = sum(admitted) + sum(refused)
    return bars(
        "traffic",
        "Requests a minute",
        f"{total:,} requests to limited routes in the last {len(minutes)} minutes, "
        f"{sum(refused):,} of them refused. Times are UTC.",
        [clock_time(minute["at"]) for minute in minutes],
        [Series("admitted", "admitted", admitted), Series("refused", "refused", refused)],
    )


def score_chart(spread: Spread, threshold: float) -> Chart:
    """Draw how the scores of clients are spread."""
    counts = spread["counts"]
    return bars(
        "scores",
        "Scores of clients",
        f"Kept scores of the {spread['clients']:,} most active clients, as of their latest "
        f"requests; those below the threshold {threshold:g} are anomalous.",
        [f"-{tenth / 10:.1f}" if tenth else "0" for tenth in range(len(counts))],
        [Series("clients", "clients", counts)],
        edge=(-threshold * 10, "threshold"),
    )
