"""Show what happens on the site."""

from __future__ import annotations

from typing import Final

from flask import Response, request

from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.pages.site_charts import LOOKS, site_charts
from flask_irl.admin.pages.views.clients import notice_values
from flask_irl.admin.state import current_admin

FLAGGED: Final = 8
"""Flagged clients that the overview shows."""
INCIDENTS: Final = 5
MUTED: Final = 5
SPAN: Final = "1h"


@pages.get("/page/")
def overview() -> Response:
    """Show traffic, flagged clients, attacks, store and model."""
    operations = current_admin().operations
    span = request.args.get("span", SPAN)
    span = span if span in LOOKS else SPAN
    status = operations.status.read()
    if not status["store"]["answers"]:
        # Shown with all that is known without it: by no error page.
        return page("overview.html", 503, state=status, span=span, spans=LOOKS)
    flagged, total = operations.clients.ranked(order="flagged", limit=FLAGGED)
    threshold = operations.site.limits()["anomaly_threshold"]
    incidents, attacks = operations.incidents(limit=INCIDENTS)
    return page(
        "overview.html",
        state=status,
        span=span,
        spans=LOOKS,
        charts=site_charts(operations.history(span), threshold),
        flagged=flagged,
        total=total,
        campaigns=operations.campaigns.running(),
        muted=operations.campaigns.muted()[:MUTED],
        incidents=incidents,
        attacks=attacks,
        **notice_values(),
    )
