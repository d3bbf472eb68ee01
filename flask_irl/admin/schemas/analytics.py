"""Define the queries and responses of the endpoints on the site's history."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.schemas.fields import described, integer, moment, objects, string, strings
from flask_irl.admin.schemas.requests import Request
from flask_irl.campaigns.incident import WORDS
from flask_irl.operations.history import SPANS
from flask_irl.operations.report import GROUPS, LISTED, MOST_DAYS
from flask_irl.stores.history import TALLIED

LOOKS = ("person", "abuse", "unknown")


class HistoryQuery(Request):
    """Select a span of time up to now."""

    span = fields.String(
        load_default="1h",
        validate=validate.OneOf(tuple(SPANS)),
        metadata=described(
            "Span up to now: `5m` by second, `1h` by ten seconds, `24h` by minute, `7d` and `35d` "
            "by hour.",
            "1h",
        ),
    )


def _column(text: str, **more: Any) -> fields.List[Any]:
    return fields.List(fields.Integer(**more), required=True, metadata=described(text))


def _bounds(text: str) -> fields.List[Any]:
    return fields.List(fields.Float(), required=True, metadata=described(text))


def _buckets(text: str) -> fields.List[Any]:
    return fields.List(fields.List(fields.Integer()), required=True, metadata=described(text))


class HistorySchema(ma.Schema):
    """Describe the traffic of a span."""

    span = string("The span.", "1h")
    since = moment("Beginning of the first period")
    until = moment("The present, in the midst of the last period")
    resolution_seconds = integer("Length of a period.", 10)
    requests = _column("Requests to limited routes, refused ones included.")
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.Integer()),
        required=True,
        metadata=described(
            "Columns of counts: requests by outcome (`allowed`, `limited`, `blocked`, "
            "`shadow_limited`), `refused_by_app` (answered 429 by the app itself), `flagged` (of "
            "clients at a lower step) and what those got where they were admitted "
            "(`flagged_fine`, `flagged_denied`: 401 or 403, `flagged_missing`: 404, "
            "`flagged_other`), `store_errors`.",
        ),
    )
    flagged_clients = _column(
        "Clients at a lower step, as many as a worker has seen within two minutes; null where "
        "nobody came.",
        allow_none=True,
    )
    model_version = _column("Model in force, 0 for none; null where nobody came.", allow_none=True)
    score_bounds = _bounds("Lower ends of the buckets of scores.")
    scores = _buckets("A column for each bucket: scores of the clients that were judged.")
    latency_bounds = _bounds("Upper ends of the buckets of latencies, in seconds.")
    latencies = _buckets(
        "A column for each bucket, and a last one for longer ones: times that decisions took."
    )


class ReportQuery(Request):
    """Select the days of a report, and the length of its lists."""

    days = fields.Integer(
        load_default=7,
        validate=validate.Range(1, MOST_DAYS),
        metadata=described("Days, today included.", 7),
    )
    listed = fields.Integer(
        load_default=LISTED,
        validate=validate.Range(1, TALLIED),
        metadata=described("Clients, routes, networks and countries listed at most.", LISTED),
    )


class MeasuredSchema(ma.Schema):
    """Count requests."""

    requests = integer("All of them.", 1204)
    refused_by_app = integer("Answered 429 by the app itself, such as by Flask-Limiter.", 31)
    refused_by_limits = integer("Refused by this limiter's limits or an operator's word.", 20)
    refused_by_verdict = integer("Would have been refused, were it not in shadow mode.", 12)
    refused_by_both = integer("Refused by the app that this limiter refuses, too.", 9)
    flagged = integer("Sent by clients at a lower step.", 40)


class ReportedClientSchema(MeasuredSchema):
    """Describe a client in a report."""

    client = string("Id of the client.", "203.0.113.7")
    label = string("Name that the app gives it.", None, allow_none=True)
    group = string("Who refuses it.", "app_only", validate=validate.OneOf(GROUPS))
    looks_like = string(
        "A person, abuse (flagged now, or for a tenth of its requests), or unknown: forgotten "
        "meanwhile, or no model is in force.",
        "person",
        validate=validate.OneOf(LOOKS),
    )
    why = string("Reason for its present step; empty at the full limit.", "")


class ReportedRouteSchema(MeasuredSchema):
    """Describe a route in a report."""

    route = string("Route.", "/login")


class ReportedNetworkSchema(MeasuredSchema):
    """Describe a network in a report."""

    network = string("Network: a /24, or a /48 of IPv6.", "203.0.113.0/24")


class ReportedCountrySchema(MeasuredSchema):
    """Describe a country in a report."""

    country = string("Code of the country, two letters.", "DE")


class ReportedDaySchema(MeasuredSchema):
    """Describe a day of a report."""

    at = moment("Beginning of the day")


class GroupSchema(ma.Schema):
    """Count the clients of a group."""

    clients = integer("Clients.", 11)
    people = integer("Those that look like people.", 9)
    abuse = integer("Those that look like abuse.", 1)


class GroupsSchema(ma.Schema):
    """Count clients by who refuses them."""

    both = fields.Nested(GroupSchema, required=True, metadata=described("Refused by both."))
    app_only = fields.Nested(GroupSchema, required=True, metadata=described("By the app alone."))
    limiter_only = fields.Nested(
        GroupSchema, required=True, metadata=described("By this limiter alone.")
    )


class ReportSchema(MeasuredSchema):
    """Describe some days of a site."""

    days = integer("Days, today included.", 7)
    since = moment("Beginning of the first day")
    until = moment("The present")
    summary = string("All of it in a line.", "In 7 days the app refused 31 requests of 4 clients.")
    groups = fields.Nested(
        GroupsSchema, required=True, metadata=described("Clients by who refuses them.")
    )
    clients = objects(ReportedClientSchema, "Refused clients, those refused most first.")
    routes = objects(ReportedRouteSchema, "Routes with most requests.")
    networks = objects(ReportedNetworkSchema, "Networks with most requests.")
    countries = objects(
        ReportedCountrySchema,
        "Countries with most requests of clients whose keys are addresses; none without "
        "`country_file`.",
    )
    top_clients = objects(ReportedClientSchema, "Clients with most requests.")
    by_day = objects(ReportedDaySchema, "Days, the earliest first.")


class IncidentSchema(ma.Schema):
    """Describe an attack."""

    id = string("Id of the incident.", "4189c322")
    kind = string("Kind of the attack.", "guessing", validate=validate.OneOf(tuple(WORDS)))
    common = string("The same in words.", WORDS["guessing"])
    target = string("Route or network of a campaign, and the sort of its clients; or empty.", "")
    since = moment("Beginning")
    until = moment("End; null while it goes on", allow_none=True)
    clients = integer("Clients that were part of it, about.", 3)
    requests = integer("Their requests.", 1830)
    refused = integer("Those that were refused.", 1790)
    fine = integer("Those that got an answer below 400.", 0)
    denied = integer("Those that got 401 or 403.", 40)
    missing = integer("Those that got 404.", 0)
    other = integer("Those that got another answer.", 0)
    examples = strings("Some of the clients.", ["203.0.113.7"])


class IncidentsSchema(ma.Schema):
    """Describe attacks."""

    incidents = objects(IncidentSchema, "Incidents, the latest first.")
