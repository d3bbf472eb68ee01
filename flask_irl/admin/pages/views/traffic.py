"""Show what the site's requests of some days were for, and whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import Response, request
from werkzeug.exceptions import NotFound

from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.exports import export
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.pages.traffic_charts import LOOKS, hours_of, traffic_charts
from flask_irl.admin.state import current_admin
from flask_irl.operations.analytics import RANKED_BY
from flask_irl.operations.tallied import MOST_DAYS
from flask_irl.stores.history import TALLIED

SPAN: Final = "24h"
DAYS: Final[Mapping[str, int]] = {"24h": 2, "7d": 7, "35d": MOST_DAYS}
"""Days in UTC whose tallies are ranked, by span: rankings are kept by whole days."""
LISTED: Final = 20
"""Entries of each ranking that the view shows."""
COUNTS: Final = (
    *("requests", "refused", "refused_by_limits", "refused_by_verdict"),
    *("refused_by_app", "refused_by_both", "flagged"),
)
COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "routes": ("route", *COUNTS),
    "clients": ("client", *COUNTS),
    "networks": ("network", *COUNTS),
    "countries": ("country", *COUNTS),
    "plans": ("plan", "limits", "assigned", *COUNTS),
    "days": ("at", *COUNTS),
}
"""Rankings that can be exported, and the days, with the columns of each."""


@pages.get("/page/traffic")
def traffic() -> Response:
    """Show what was refused and flagged over time, and rank routes, clients, places and plans."""
    operations = current_admin().operations
    span, order = _chosen("span", LOOKS, SPAN), _chosen("by", RANKED_BY, "requests")
    found = operations.analytics.read(DAYS[span], order, LISTED)
    states = operations.analytics.named([entry["name"] for entry in found["clients"]])
    return page(
        "traffic.html",
        span=span,
        spans=LOOKS,
        order=order,
        orders=RANKED_BY,
        found=found,
        states={entry["client"]: entry for entry in states},
        charts=traffic_charts(hours_of(span, operations.history)),
        most=TALLIED,
    )


@pages.get("/page/traffic/<ranking>.<form>")
def export_traffic(ranking: str, form: str) -> Response:
    """Export a ranking, or the days, as CSV or JSON."""
    if ranking not in COLUMNS:
        raise NotFound("There is no such export.")
    columns = COLUMNS[ranking]
    span, order = _chosen("span", LOOKS, SPAN), _chosen("by", RANKED_BY, "requests")
    found = current_admin().operations.analytics.read(DAYS[span], order, TALLIED)
    entries: Sequence[Mapping[str, Any]] = found[ranking]  # type: ignore[literal-required]
    rows = [{columns[0]: entry.get("name"), **entry} for entry in entries]
    return export(f"{ranking}-{span}", form, rows, columns)


def _chosen(name: str, choices: Mapping[str, object], default: str) -> str:
    text = request.args.get(name, default)
    return text if text in choices else default
