"""Define the responses of the endpoints on the whole site."""

from __future__ import annotations

from typing import ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.schemas.fields import (
    boolean,
    counts,
    described,
    integer,
    mapping,
    moment,
    number,
    objects,
    old_name,
    string,
    strings,
)
from flask_irl.admin.schemas.requests import MODES


class PageSchema(ma.Schema):
    """Describe a page of a list."""

    total = integer("Entries on all pages.", 1)
    page = integer("Number of this page.", 1)
    page_size = integer("Entries on a page.", 50)


class StatsSchema(ma.Schema):
    """Describe the site's traffic and the state of learning."""

    total_requests = integer("Requests to limited routes so far.", 18230)
    unique_clients = integer("Different clients so far, estimated.", 312)
    endpoints = counts("Requests by route.", {"/api/data": 17012, "/": 1218})
    model_trained = boolean("True if a model is in force.")
    model_version = integer("Version of the model in force; 0 if there is none.", 7)
    model_pinned = integer(
        "Version that is pinned, so that no training replaces it; null for none.", allow_none=True
    )
    model_pinned_until = moment(
        "End of the pin; null for none, or if it lasts until it is taken back", allow_none=True
    )
    buffer_size = counts(
        "Requests that wait to be learned from, by client of this worker; at most 100 clients. "
        "`waiting` has their number.",
        {"203.0.113.7": 12},
    )
    waiting = integer("Requests of this worker that wait to be learned from.", 12)
    refused = integer("Refused requests.", 640)
    anomalous = integer("Requests of flagged clients.", 955)
    refused_share = number("Share of requests that were refused, 0 to 1.", 0.0351)
    hit_rate = old_name("refused_share", 0.0351)
    anomaly_rate = number("Share of requests that flagged clients sent, 0 to 1.", 0.0524)
    flagged_clients = integer("Clients that are flagged now.", 3)
    mode = string("Mode of the limiter.", "enforce", validate=validate.OneOf(MODES))
    store = string("Store of the counts: `memory` or `redis`.", "redis")
    store_ok = boolean("True if this worker reaches the store.")
    learning = string(
        "`learning` until there is a model, `advisory` while it has seen too few clients to be "
        "heeded, then `active`.",
        "active",
    )


class StepSchema(ma.Schema):
    """Describe a step of the ladder."""

    step = integer("Number of the step; 0 is the full limit.", 1)
    factor = number("Share of every limit that is left.", 0.3)
    limit = integer("Base limit at this step; null where it is off.", 30, allow_none=True)


class RouteSchema(ma.Schema):
    """Describe a route of the app."""

    route = string("Rule of the route.", "/api/heavy-operation")
    methods = strings("Methods of the route.", ["GET"])
    limits = strings("Limits beside the base limit.", ["20 per 60 seconds"])
    exempt = boolean("True if the route isn't limited at all.")


class LimitsSchema(ma.Schema):
    """Describe the limits in force."""

    mode = string("Mode of the limiter.", "enforce", validate=validate.OneOf(MODES))
    strategy = string("Strategy that counts requests.", "sliding-window-counter")
    base_limit = integer(
        "Requests per window for a normal client; null where that limit is off.",
        100,
        allow_none=True,
    )
    window_seconds = integer("Length of the window.", 60)
    anomaly_threshold = number("Score below which a client is anomalous.", -0.5)
    anomalous_factor = number("Share of its limits that an anomalous client keeps.", 0.3)
    further_factors = fields.List(
        fields.Float(),
        required=True,
        metadata=described("Shares at the steps below that one, as they were set.", [0.1, 0]),
    )
    steps = objects(StepSchema, "Limits at each step of the ladder.")
    default_limits = strings("Limits of routes without limits of their own.")
    application_limits = strings("Limits on all requests of a client, beside the base limit.")
    meta_limits = strings("Limits on a client's refusals.")
    exempt = strings("Patterns of routes that aren't limited, as configured.", ["/health"])
    limits = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        required=True,
        metadata=described(
            "Limits by pattern of routes, as configured; all that a pattern matches counts "
            "together.",
            {"/api/export/*": ["5 per 60 seconds"]},
        ),
    )
    routes = objects(RouteSchema, "Routes of the app, limited ones first.")


class ModeSchema(ma.Schema):
    """Describe the mode of the limiter."""

    mode = string("Mode of the limiter.", "shadow", validate=validate.OneOf(MODES))


class ModeChangeSchema(ModeSchema):
    """Describe a change of the mode."""

    before = string("Mode until now.", "enforce", validate=validate.OneOf(MODES))


class TenantsSchema(ma.Schema):
    """Describe the app's tenants."""

    example: ClassVar = {"tenants": ["default", "a", "b"]}

    tenants = strings("Names of the tenants; empty where the app has none.", ["default", "a", "b"])


class ChangeSchema(ma.Schema):
    """Describe a change that an operator made or tried to make."""

    at = moment("Time of the change")
    who = string("Operator: a token's name.", "oncall")
    action = string("Kind of the change.", "override")
    target = string("Client or model version; empty for the whole site.", "203.0.113.7")
    before = mapping("State before the change.", allow_none=True)
    after = mapping(
        "State that the change brings about. An entry is written before its change is made: a "
        "change that failed has one too.",
        allow_none=True,
    )
    reason = string("Reason; may be empty.", "Scrapes the price list.")
    tenant = string("Tenant that it is about; empty where the app has none.", "")


class AuditSchema(PageSchema):
    """Describe a page of the audit log, the latest change first."""

    changes = objects(ChangeSchema, "Changes on this page.")
