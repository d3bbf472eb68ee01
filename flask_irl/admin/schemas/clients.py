"""Define the responses of the endpoints on clients."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.schemas.fields import (
    Moment,
    boolean,
    described,
    integer,
    moment,
    number,
    objects,
    string,
    strings,
)
from flask_irl.admin.schemas.requests import VERDICTS
from flask_irl.admin.schemas.site import PageSchema
from flask_irl.limits.override import KINDS


def _client() -> fields.String:
    return string("Key of the client, as stored.", "203.0.113.7")


def _label() -> fields.String:
    return string(
        "Name that the app gives the client by `label_of`; null without one.",
        "Acme Ltd",
        allow_none=True,
    )


def _country() -> fields.String:
    return string("Code of its address's country; null if unknown.", "DE", allow_none=True)


def _since() -> Moment:
    return moment(
        "Beginning of the override, null if the audit log no longer has it; or of the step; else "
        "null",
        allow_none=True,
    )


def _until() -> Moment:
    return moment(
        "End of the override, or the time at which the client leaves its step at the earliest; "
        "else null",
        allow_none=True,
    )


class OverrideSchema(ma.Schema):
    """Describe an operator's override of a client or a network."""

    kind = string("Kind of the override.", "block", validate=validate.OneOf(KINDS))
    until = moment("End of the override")
    amount = integer("Requests per window with kind `limit`, else 0.", 0)
    reason = string("Reason; empty if none was given.", "Scrapes the price list.")
    who = string("Operator; null if the audit log no longer has it.", "oncall", allow_none=True)


class OverriddenSchema(OverrideSchema):
    """Describe an override as it was set."""

    client = string("Key of the client, as stored, or the network.", "203.0.113.7")
    known = boolean(
        "False if the store knows nothing of the client: perhaps no client is called so. True for "
        "networks."
    )


class CoveringSchema(OverrideSchema):
    """Describe an override of a network that holds a client."""

    network = string("Network.", "203.0.113.0/24")


class ClientPlanSchema(ma.Schema):
    """Describe the plan of a client."""

    plan = string(
        "Name of the plan; null where only the app tells it, with each request.",
        "pro",
        allow_none=True,
    )
    source = string(
        "What it comes from.",
        "operator",
        validate=validate.OneOf(("operator", "app", "default")),
    )
    until = moment("End of an operator's assignment; else null", allow_none=True)
    reason = string("Reason of the assignment; else null.", "Trial month.", allow_none=True)
    who = string("Operator that assigned it; else null.", "oncall", allow_none=True)
    counted = strings(
        "Plans under which its requests count in the present windows.", ["free", "pro"]
    )


class WhySchema(ma.Schema):
    """Describe a behaviour's part in a client's score."""

    feature = string("Name of the feature that it is told by.", "requests_per_minute")
    value = number("Value of the client.", 580.0)
    median = number("Median of the site.", 6.0)
    high = number("Value that few of the site's clients exceed.", 38.0)
    effect = number("Part of the score that the behaviour accounts for, 0 to 1.", 0.31)
    sentence = string("Explanation for people.", "580 requests a minute; usual is 6")


class AnswersSchema(ma.Schema):
    """Describe the answers to a client, as shares of its latest requests, 0 to 1."""

    refused = number("Refused by the limiter (429).", 0.6)
    denied = number("401, 403 and failed logins.", 0.0)
    missing = number("404.", 0.3)
    other_4xx = number("Other 4xx.", 0.0)
    failed = number("5xx.", 0.0)
    fine = number("Any other.", 0.1)


class RouteShareSchema(ma.Schema):
    """Describe routes that a client asks for; a profile counts some of them together."""

    routes = strings("Routes of the site that are counted here, most asked for first.", ["/login"])
    share = number("Share of the client's latest requests, 0 to 1.", 0.97)
    requests = number("Requests of about ten minutes, fading.", 212.0)


class RecentRequestSchema(ma.Schema):
    """Describe a request of a client."""

    at = moment("Time of the request")
    method = string("Method.", "POST")
    route = string("Rule of the route, or `unmatched`.", "/login")
    status = integer("Status of the response.", 401)
    outcome = string("Outcome of the decision.", "allowed")
    times = integer("Such requests that it stands for.", 1)


class ClientSchema(ma.Schema):
    """Describe a client with the reasons for its score."""

    client = _client()
    label = _label()
    step = integer("Step on the ladder; 0 is the full limit.", 1)
    factor = number("Share of every limit that the client keeps.", 0.3)
    limit = integer(
        "Base limit at this step, whatever an override says; null where it is off.",
        30,
        allow_none=True,
    )
    score = number("Score, from 0 (as normal as can be) to -1.", -0.71)
    is_anomalous = boolean("True if the client is below the full limit.")
    requests = integer("Requests since the client was first seen.", 871)
    requests_per_minute = fields.Float(metadata=described("Recent rate of requests.", 212.5))
    refused_share = fields.Float(
        metadata=described("Share of recent requests that were refused, 0 to 1.", 0.6)
    )
    first_seen = moment("Time of the first request; null if there was none", allow_none=True)
    last_seen = moment("Time of the last request; null if there was none", allow_none=True)
    since = _since()
    until = _until()
    answers = fields.Nested(
        AnswersSchema,
        required=True,
        allow_none=True,
        metadata=described("Answers to its latest requests; null if there were none."),
    )
    routes = objects(RouteShareSchema, "Routes that it asks for most, at most five.")
    recent_requests = fields.List(
        fields.Nested(RecentRequestSchema),
        required=True,
        allow_none=True,
        metadata=described(
            "Its latest requests of the last hour, the latest first; null where the option "
            "`recent_requests` is 0."
        ),
    )
    override = fields.Nested(
        OverrideSchema,
        required=True,
        allow_none=True,
        metadata=described("Override by an operator; null if there is none."),
    )
    plan = fields.Nested(
        ClientPlanSchema,
        required=True,
        allow_none=True,
        metadata=described("Plan; null where the base limit holds."),
    )
    country = _country()
    country_name = string("English name, if known; else null.", "Germany", allow_none=True)
    tenant = string("Tenant whose client it is; empty for the app's own.", "")
    covered_by = fields.Nested(
        CoveringSchema,
        required=True,
        allow_none=True,
        metadata=described(
            "Override of the longest network that holds the client's address, which decides unless "
            "there is one of the client's own; null if there is none."
        ),
    )
    feedback = string(
        "Feedback of an operator; null if there is none.",
        "abuse",
        allow_none=True,
        validate=validate.OneOf(VERDICTS),
    )
    rules = strings(
        "Rules that the client breaks, a sentence each; they hold whatever the model says.",
        ["17 failed logins or denied changes within ten minutes; 12 are too many"],
    )
    why = objects(
        WhySchema,
        "Reasons for the score, the worst harm first, at most five; none for a client that behaves "
        "like others. Those of a client below the full limit are as of its latest request.",
    )
    listed = string(
        "List of the configuration that decides on the client, whatever else is said here.",
        "deny",
        allow_none=True,
        validate=validate.OneOf(("allow", "deny")),
    )
    features = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata=described("Profile of the client, as the model sees it.", {"new_paths": 41.0}),
    )


class ClientEntrySchema(ma.Schema):
    """Describe a client in a list, or a network that is overridden."""

    client = _client()
    label = _label()
    country = _country()
    step = integer("Step on the ladder; 0 is the full limit.", 1)
    factor = number("Share of every limit that the client keeps at this step.", 0.3)
    limit = integer(
        "Base limit at this step, whatever an override says; null where it is off.",
        30,
        allow_none=True,
    )
    score = number("Score, from 0 (as normal as can be) to -1.", -0.71)
    override = string(
        "Kind of the override by an operator; null if there is none.",
        "block",
        allow_none=True,
        validate=validate.OneOf(KINDS),
    )
    is_anomalous = boolean("True if the client is below the full limit.")
    amount = integer("Requests per window with an override of kind `limit`, else 0.", 0)
    since = _since()
    until = _until()
    reason = string(
        "Reason of the override, or the first reason for the step; empty if there is none.",
        "580 requests a minute; usual is 6",
    )
    who = string(
        "Operator that set the override; null if there is none, or the audit log no longer has it.",
        "oncall",
        allow_none=True,
    )
    requests_per_minute = number("Requests in the last minute, fading.", 212.5)
    refused_share = number("Share of recent requests that were refused, 0 to 1.", 0.6)
    last_seen = moment("Time of the last request; null if there was none", allow_none=True)


class ClientsSchema(PageSchema):
    """Describe a page of clients."""

    clients = objects(ClientEntrySchema, "Clients on this page.")


class ResetSchema(ma.Schema):
    """Describe a client that was reset."""

    client = _client()
    reset = boolean("True.")


class OverrideRemovedSchema(ma.Schema):
    """Describe a client that is left to the limiter again."""

    client = _client()
    removed = boolean("True.")


class FeedbackSchema(ma.Schema):
    """Describe feedback that was noted."""

    client = _client()
    verdict = string("Verdict that was noted.", "good", validate=validate.OneOf(VERDICTS))
