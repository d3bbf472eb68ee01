"""Serve the endpoints on the site's history."""

from __future__ import annotations

from typing import Any

from flask_irl.admin.blueprint import blueprint
from flask_irl.admin.pagination import offset_and_limit, page_answer
from flask_irl.admin.schemas.analytics import (
    HistoryQuery,
    HistorySchema,
    IncidentsSchema,
    ReportQuery,
    ReportSchema,
)
from flask_irl.admin.schemas.requests import PageQuery
from flask_irl.admin.state import current_admin
from flask_irl.operations.history import SiteHistory
from flask_irl.operations.report import Report


@blueprint.operation("GET", "/history", HistorySchema, query=HistoryQuery, tag="site")
def history(query: dict[str, Any]) -> SiteHistory:
    """Show the traffic of the last minutes, hours or days

    Columns of one entry for each period, the earliest first; the last period isn't over yet.
    """
    return current_admin().operations.history(query["span"])


@blueprint.operation("GET", "/report", ReportSchema, query=ReportQuery, tag="site")
def report(query: dict[str, Any]) -> Report:
    """Report on the last days: whom the app itself refused, and whom this limiter

    Its own refusals are those of its limits, and in shadow mode those that the model would have
    made. Counts are by day in UTC; of clients, routes, networks and countries the thousand with
    most are kept.
    """
    return current_admin().operations.report(query["days"], query["listed"])


@blueprint.operation("GET", "/incidents", IncidentsSchema, query=PageQuery, paged=True, tag="site")
def incidents(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List attacks, the latest first: when, what kind, how many clients, and what they got

    The latest two hundred are kept.
    """
    offset, limit = offset_and_limit(query)
    entries, total = current_admin().operations.incidents(offset, limit)
    return page_answer("incidents", entries, total, query)
