"""Define the responses of the endpoints on clients."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.schemas.fields import (
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


class OverrideSchema(ma.Schema):
    """Describe an operator's override of a client."""

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


class WhySchema(ma.Schema):
    """Describe a feature's part in a client's score."""

    feature = string("Name of the feature.", "new_paths")
    value = number("Value of the client.", 41.0)
    median = number("Median of the site.", 0.4)
    high = number("Value that few of the site's clients exceed.", 3.0)
    effect = number("Improvement of the score if the value were the median.", 0.31)
    sentence = string(
        "Explanation for people.",
        "asks for 41 new paths a minute; usual is 0.5, for 95 % at most 3",
    )


class ClientSchema(ma.Schema):
    """Describe a client with the reasons for its score."""

    client = _client()
    step = integer("Step on the ladder; 0 is the full limit.", 1)
    factor = number("Share of every limit that the client keeps.", 0.3)
    limit = integer("Base limit at this step; null where it is off.", 30, allow_none=True)
    score = number("Score, from 0 (as normal as can be) to -1.", -0.71)
    is_anomalous = boolean("True if the client is below the full limit.")
    requests = integer("Requests since the client was first seen.", 871)
    requests_per_minute = fields.Float(metadata=described("Recent rate of requests.", 212.5))
    refused_share = fields.Float(
        metadata=described("Share of recent requests that were refused, 0 to 1.", 0.6)
    )
    first_seen = moment("Time of the first request; null if there was none", allow_none=True)
    last_seen = moment("Time of the last request; null if there was none", allow_none=True)
    override = fields.Nested(
        OverrideSchema,
        required=True,
        allow_none=True,
        metadata=described("Override by an operator; null if there is none."),
    )
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
        [
            "fails to log in or is denied what it posts: about 17 times within ten minutes; "
            "12 are too many"
        ],
    )
    why = objects(WhySchema, "Features that moved the score most, the most important first.")
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
    """Describe a client in a list."""

    client = _client()
    step = integer("Step on the ladder; 0 is the full limit.", 1)
    limit = integer("Base limit at this step; null where it is off.", 30, allow_none=True)
    score = number("Score, from 0 (as normal as can be) to -1.", -0.71)
    override = string(
        "Kind of the override by an operator; null if there is none.",
        "block",
        allow_none=True,
        validate=validate.OneOf(KINDS),
    )
    until = moment("End of the override, null if there is none", allow_none=True)
    reason = string(
        "Reason of the override; null but in the order `overridden`.",
        "Scrapes the price list.",
        allow_none=True,
    )
    who = string("Operator; null as the reason is.", "oncall", allow_none=True)
    requests_per_minute = number("Recent rate of requests.", 212.5)
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
