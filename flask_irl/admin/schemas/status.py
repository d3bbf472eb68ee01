"""Define the response of the endpoint that shows the site on one screen."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.schemas.fields import (
    boolean,
    counts,
    described,
    integer,
    moment,
    number,
    old_name,
    string,
    strings,
)
from flask_irl.admin.schemas.models import RESULTS
from flask_irl.admin.schemas.requests import MODES


def _part(schema: type[ma.Schema], text: str, **more: Any) -> fields.Nested:
    """Make a member that is an object, or null while the store doesn't answer."""
    metadata = described(text)
    return fields.Nested(schema, required=True, allow_none=True, metadata=metadata, **more)


class StoreStatusSchema(ma.Schema):
    """Describe the store; what it doesn't tell is null."""

    kind = string(
        "Kind of the store.",
        "redis",
        validate=validate.OneOf(("memory", "redis", "cluster", "sentinel")),
    )
    address = string("Address, without user and password.", "redis://127.0.0.1:6379/0")
    answers = boolean("True if it answers.")
    counts_requests = boolean("True if it counts requests; one that is full refuses to.")
    error = string("Reason why it does not; else null.", None, allow_none=True)
    milliseconds = number("Time of an answer.", 0.4, allow_none=True)
    version = string("Name and version of the server.", "Redis 7.4.1", allow_none=True)
    memory_used_bytes = integer("Memory in use.", 3_250_000, allow_none=True)
    memory_limit_bytes = integer(
        "Memory that it may use; null for no limit.", 268_435_456, allow_none=True
    )
    policy = string("Policy for a full memory.", "noeviction", allow_none=True)
    nodes_out = strings("Nodes of a cluster that give no answer.", [])


class RatesSchema(ma.Schema):
    """Describe the traffic of sixty seconds."""

    requests_per_second = number("Requests a second, refused ones included.", 12.4)
    refused_per_second = number("Refused requests a second.", 3.1)
    refused_share = number("Share of requests that were refused, 0 to 1.", 0.25)


class ClientCountsSchema(ma.Schema):
    """Count clients."""

    flagged = integer("Clients that are held to less than the full limit.", 3)
    blocked = integer("Clients of whom every request is refused.", 1)
    overridden = counts(
        "Clients with an override, by its kind.", {"allow": 1, "block": 1, "limit": 0}
    )


class SettingChangeSchema(ma.Schema):
    """Describe a setting that was changed at run time."""

    configured = fields.Raw(required=True, metadata=described("Configured value.", 100))
    in_force = fields.Raw(required=True, metadata=described("Value in force.", 200))


class RollbackStatusSchema(ma.Schema):
    """Describe a rollback."""

    version = integer("Version in force.", 6)
    newest = integer("Newest version that is kept.", 7)
    until = moment("End of it; null if it lasts until it is taken back", allow_none=True)


class LatestTrainingSchema(ma.Schema):
    """Describe the latest training of all workers."""

    result = string(
        "`accepted`, `rejected`, `refused` or `failed`.",
        "accepted",
        validate=validate.OneOf(RESULTS),
    )
    reason = string("Reason, unless it was accepted.", "")
    at = moment("Time of the training")
    seconds = number("Duration in seconds.", 1.8)
    version = integer("Version of the model; 0 if it isn't in force.", 8)
    rows = integer("Rows trained on.", 5120)
    clients = integer("Different clients among the rows.", 240)
    requests = integer("Requests that the rows stand for.", 18230)


class WorkersSchema(ma.Schema):
    """Describe the processes that told of themselves within half a minute."""

    seen = integer("Number of them, trainers included.", 4)
    names = strings("Host and process id of each.", ["web-1:4711"])


class StatusSchema(ma.Schema):
    """Describe the site on one screen."""

    store = fields.Nested(StoreStatusSchema, required=True, metadata=described("The store."))
    now = _part(RatesSchema, "Traffic of the last sixty seconds.")
    hour_ago = _part(
        RatesSchema, "Traffic of the same seconds an hour ago; null if nothing was counted then."
    )
    clients = _part(ClientCountsSchema, "Clients by what holds for them.")
    tenant = string("Tenant that it is about; empty where the app has none.", "")
    mode = string("Mode of the limiter.", "enforce", validate=validate.OneOf(MODES))
    strategy = string("Strategy that counts requests.", "sliding-window-counter")
    base_limit = string("Limit of a normal client.", "100 per 60 seconds")
    changed = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(SettingChangeSchema),
        required=True,
        allow_none=True,
        metadata=described("Settings that were changed at run time, by name."),
    )
    model_version = integer("Version of the model; 0 if there is none.", 7, allow_none=True)
    model_trained_at = moment("Time of its training; null if there is none", allow_none=True)
    model_age_seconds = number("Age of the model.", 240.0, allow_none=True)
    model_advisory = boolean("True if the model is not heeded yet.", allow_none=True)
    model_shared = string(
        "That a tenant's clients are judged by the shared model, and why; else null.",
        None,
        allow_none=True,
    )
    learning = string(
        "`learning`, `advisory` or `active`.",
        "active",
        allow_none=True,
        validate=validate.OneOf(("learning", "advisory", "active")),
    )
    rollback = _part(RollbackStatusSchema, "Rollback in force; null for none.")
    crowd_guard = boolean(
        "True if so many clients look odd at once that nobody else is flagged.", allow_none=True
    )
    last_training = _part(LatestTrainingSchema, "Latest training of all workers; null if none.")
    training_rows = integer("Rows to learn from.", 5120, allow_none=True)
    breaker = string(
        "`open` while this worker doesn't ask the store, since it failed.",
        "closed",
        validate=validate.OneOf(("closed", "open")),
    )
    workers = _part(WorkersSchema, "Processes that the limiter runs in.")
    total_requests = integer("Requests to limited routes so far.", 18230, allow_none=True)
    refused = integer("Refused requests so far.", 640, allow_none=True)
    refused_share = number("Share that was refused so far, 0 to 1.", 0.0351, allow_none=True)
    hit_rate = old_name("refused_share", 0.0351, allow_none=True)
