"""What the admin API answers."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.described import counts, listed, moment, number, told, truth, whole, words
from flask_irl.admin.schemas import MODES, VERDICTS
from flask_irl.limits.override import KINDS


def _client() -> fields.String:
    return words("Its id, as stored.", "203.0.113.7")


class StatsSchema(ma.Schema):
    """The site's traffic, and how learning stands."""

    total_requests = whole("Requests to limited routes so far.", 18230)
    unique_clients = whole("Different clients so far, estimated.", 312)
    endpoints = counts("Requests by route.", {"/api/data": 17012, "/": 1218})
    model_trained = truth("Whether there is a model.")
    model_version = whole("Of the model in force; 0 if none is.", 7)
    buffer_size = counts(
        "This worker's clients with requests that are still to be learned from; at most 100.",
        {"203.0.113.7": 12},
    )
    refused = whole("Requests refused.", 640)
    anomalous = whole("Requests by flagged clients.", 955)
    hit_rate = number("Share of requests that was refused, 0 to 1.", 0.0351)
    anomaly_rate = number("Share of requests that flagged clients sent, 0 to 1.", 0.0524)
    flagged_clients = whole("Clients that are flagged now.", 3)
    mode = words("What the limiter does.", "enforce", validate=validate.OneOf(MODES))
    store = words("Where counts are kept: `memory` or `redis`.", "redis")
    store_ok = truth("Whether this worker reaches the store.")
    learning = words(
        "`learning` until there is a model, `advisory` while it has seen too few clients to be "
        "heeded, then `active`.",
        "active",
    )


class StepSchema(ma.Schema):
    """A step of the ladder."""

    step = whole("0 is the full limit.", 1)
    factor = number("Share of every limit that is left.", 0.3)
    limit = whole("What that leaves of the base limit.", 30)


class RouteSchema(ma.Schema):
    """A route of the app."""

    route = words("Its rule.", "/api/heavy-operation")
    methods = fields.List(fields.String(), required=True, metadata=told("Its methods.", ["GET"]))
    limits = fields.List(
        fields.String(),
        required=True,
        metadata=told("Its limits beside the base limit.", ["20 per 60 seconds"]),
    )
    exempt = truth("Whether it isn't limited at all.")


class LimitsSchema(ma.Schema):
    """The limits in force."""

    mode = words("What the limiter does.", "enforce", validate=validate.OneOf(MODES))
    strategy = words("How requests are counted.", "sliding-window-counter")
    base_limit = whole("Requests per window for a normal client.", 100)
    window_seconds = whole("The window.", 60)
    anomaly_threshold = number("A client whose score is below is anomalous.", -0.5)
    anomalous_factor = number("Share of its limits that an anomalous client keeps.", 0.3)
    further_factors = fields.List(
        fields.Float(),
        required=True,
        metadata=told("Shares at the steps below that one, as they were set.", [0.1, 0]),
    )
    steps = listed(StepSchema, "What is left at each step down.")
    default_limits = fields.List(
        fields.String(), required=True, metadata=told("The limits of routes without their own.")
    )
    routes = listed(RouteSchema, "The app's routes, those first that are limited.")


class OverrideSchema(ma.Schema):
    """What an operator decided about a client."""

    kind = words("What is done.", "block", validate=validate.OneOf(KINDS))
    until = moment("When it ends")
    amount = whole("Requests per window with kind `limit`, else 0.", 0)
    reason = words("Why; empty if nothing was said.", "Scrapes the price list.")
    who = words(
        "Who decided so; null if that is no longer in the audit log.", "oncall", allow_none=True
    )


class OverriddenSchema(OverrideSchema):
    """An override as it was set."""

    client = _client()


class WhySchema(ma.Schema):
    """A feature's part in a client's score."""

    feature = words("Its name.", "new_paths")
    value = number("The client's.", 41.0)
    median = number("The site's median.", 0.4)
    high = number("What few of the site's clients exceed.", 3.0)
    effect = number("How much the score would mend at the median.", 0.31)
    sentence = words(
        "The same for people.", "asks for 41 new paths a minute; usual is 0.5, for 95 % at most 3"
    )


class ClientSchema(ma.Schema):
    """All that is known of a client."""

    client = _client()
    step = whole("Its step; 0 is the full limit.", 1)
    factor = number("Share of every limit that it keeps.", 0.3)
    limit = whole("What that leaves of the base limit.", 30)
    score = number("0 is as normal as can be, -1 as anomalous.", -0.71)
    is_anomalous = truth("Whether it is below the full limit.")
    requests = whole("Its requests since it was first seen.", 871)
    requests_per_minute = fields.Float(metadata=told("Lately.", 212.5))
    refused_share = fields.Float(metadata=told("Of its requests lately, 0 to 1.", 0.6))
    first_seen = moment("When it was first seen")
    last_seen = moment("When it was last seen")
    override = fields.Nested(
        OverrideSchema, required=True, allow_none=True, metadata=told("The operator's word on it.")
    )
    feedback = words(
        "What a person thought of it.", "abuse", allow_none=True, validate=validate.OneOf(VERDICTS)
    )
    rules = fields.List(
        fields.String(),
        required=True,
        metadata=told(
            "Rules that it breaks, a sentence each; they hold whatever the model says.",
            [
                "fails to log in or post again and again: about 17 times within ten minutes; "
                "12 are too many"
            ],
        ),
    )
    why = listed(WhySchema, "What moved its score most, the most important first.")
    listed = words(
        "Whether the configuration lets it pass or turns it away, whatever else is said here.",
        "deny",
        allow_none=True,
        validate=validate.OneOf(("allow", "deny")),
    )
    features = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata=told("Its profile, as the model sees it.", {"new_paths": 41.0}),
    )


class ClientEntrySchema(ma.Schema):
    """A client in a list."""

    client = _client()
    step = whole("Its step; 0 is the full limit.", 1)
    limit = whole("What that leaves of the base limit.", 30)
    score = number("0 is as normal as can be, -1 as anomalous.", -0.71)
    override = words(
        "What an operator decided about it.",
        "block",
        allow_none=True,
        validate=validate.OneOf(KINDS),
    )
    requests_per_minute = number("Lately.", 212.5)
    refused_share = number("Of its requests lately, 0 to 1.", 0.6)
    last_seen = moment("When it was last seen")


class PageSchema(ma.Schema):
    """A page of a list."""

    total = whole("Entries on all pages.", 1)
    page = whole("Which page this is.", 1)
    page_size = whole("Entries on a page.", 50)


class ClientsSchema(PageSchema):
    """Clients."""

    clients = listed(ClientEntrySchema, "Those on this page.")


class ResetSchema(ma.Schema):
    """A client that was forgotten."""

    client = _client()
    reset = truth("True.")


class OverrideRemovedSchema(ma.Schema):
    """A client that is left to the limiter again."""

    client = _client()
    removed = truth("True.")


class FeedbackSchema(ma.Schema):
    """A verdict that was noted."""

    client = _client()
    verdict = words("What was noted.", "good", validate=validate.OneOf(VERDICTS))


class ModeSchema(ma.Schema):
    """What the limiter does."""

    mode = words("The mode.", "shadow", validate=validate.OneOf(MODES))


class ModeChangeSchema(ModeSchema):
    """A mode that was changed."""

    before = words("The mode until now.", "enforce", validate=validate.OneOf(MODES))


class ChangeSchema(ma.Schema):
    """A change that an operator made."""

    at = moment("When")
    who = words("By whom: a token's name.", "oncall")
    action = words("What was done.", "override")
    target = words("To whom or what; may be empty.", "203.0.113.7")
    before = fields.Dict(
        keys=fields.String(), required=True, allow_none=True, metadata=told("What was so before.")
    )
    after = fields.Dict(
        keys=fields.String(), required=True, allow_none=True, metadata=told("What is so since.")
    )
    reason = words("Why; may be empty.", "Scrapes the price list.")


class AuditSchema(PageSchema):
    """Changes, the latest first."""

    changes = listed(ChangeSchema, "Those on this page.")
