"""Define the responses of the endpoints on models."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.schemas.fields import (
    boolean,
    described,
    integer,
    mapping,
    moment,
    number,
    objects,
    string,
)

RESULTS = ("accepted", "kept_aside", "rejected", "refused", "failed")


class TrainingSchema(ma.Schema):
    """Describe a training that was started."""

    result = string(
        "`started`: the training runs in the background.",
        "started",
        validate=validate.OneOf(("started",)),
    )
    version = integer(
        "Version in force at the start; a later one follows if the training is accepted.", 7
    )
    at = moment("Time of the start")
    see = string("Path of the result, in `last_training`.", "/admin/model-info")


class LastTrainingSchema(ma.Schema):
    """Describe the latest training of this worker."""

    result = string(
        "`accepted`: its model is in force; `kept_aside`: it is stored, but another version is "
        "pinned; `rejected`: it didn't pass the gate, or another one came into force meanwhile; "
        "`refused`: it was not started; `failed`.",
        "accepted",
        validate=validate.OneOf(RESULTS),
    )
    reason = string("Reason, unless it was accepted.", "")
    at = moment("Time of the training")
    seconds = number("Duration in seconds.", 1.8)
    version = integer("Version of the model; 0 if there is none.", 8)
    rows = integer("Rows trained on.", 5120)
    clients = integer("Different clients among the rows.", 240)
    requests = integer("Requests that the rows stand for.", 18230)


class FeatureSchema(ma.Schema):
    """Describe a feature of a client's behaviour."""

    name = string("Name of the feature.", "new_paths")
    unit = string("Unit of the feature.", "1/min")
    text = string("Meaning of the feature.", "new paths asked for")


class ModelSchema(ma.Schema):
    """Describe a model that is kept; of one that can't be read, most members are null."""

    version = integer("Version of the model.", 7)
    readable = boolean("True if the model can be put in force.")
    in_force = boolean("True if the model is in force.")
    pinned = boolean("True if it is pinned: no training puts another one in force.")
    trained_at = moment("Time of the training", dump_default=None, allow_none=True)
    age_seconds = number("Seconds since then.", 300.0, dump_default=None, allow_none=True)
    kind = string("Kind of the detector.", "blend", dump_default=None, allow_none=True)
    flagged_share = number(
        "Share of recent legitimate clients that it flagged at the gate, 0 to 1.",
        0.004,
        dump_default=None,
        allow_none=True,
    )
    rows = integer("Rows trained on.", 5120, dump_default=None, allow_none=True)
    clients = integer("Different clients among the rows.", 240, dump_default=None, allow_none=True)
    requests = integer(
        "Requests that the rows stand for.", 18230, dump_default=None, allow_none=True
    )
    advisory = boolean(
        "True if the model only advises, since it has seen too few clients.",
        dump_default=None,
        allow_none=True,
    )


class RollbackSchema(ModelSchema):
    """Describe a model that was put in force and pinned."""

    until = moment("End of the pin; null if it lasts until it is taken back", allow_none=True)
    reason = string("Reason; may be empty.", "The new one flags our partners.")


class UnpinSchema(ma.Schema):
    """Describe a pin that was taken back."""

    version = integer("Version that was pinned.", 7)
    unpinned = boolean("True.")


class PinSchema(ma.Schema):
    """Describe the pin of a model."""

    version = integer("Version that is pinned.", 7)
    until = moment("End of the pin; null if it lasts until it is taken back", allow_none=True)
    who = string("Operator, if the audit log still has it.", "oncall", allow_none=True)
    reason = string("Reason; may be empty.", "The new one flags our partners.")


class ModelsSchema(ma.Schema):
    """Describe the models that are kept."""

    models = objects(ModelSchema, "Models that are kept, the newest first.")


class ModelInfoSchema(ma.Schema):
    """Describe the model in force."""

    trained = boolean("True if a model is in force.")
    pinned = fields.Nested(
        PinSchema,
        required=True,
        allow_none=True,
        metadata=described("Pin of the model in force; null if trainings replace it."),
    )
    version = integer("Version of the model; 0 if there is none.", 7)
    kind = string("Kind of the detector.", "isolation_forest")
    trained_at = moment("Time of the training", allow_none=True)
    rows = integer("Rows trained on.", 5120)
    clients = integer("Different clients among the rows.", 240)
    requests = integer("Requests that the rows stand for.", 18230)
    advisory = boolean("True if the model only advises, since it has seen too few clients.")
    shared = string(
        "That a tenant's clients are judged by the shared model, and why; else null. Of that, the "
        "numbers of rows, clients and requests are 0: they are of other tenants, too.",
        None,
        allow_none=True,
    )
    threshold = number("Score below which a client is anomalous.", -0.5)
    false_flag_rate = number("Share of legitimate rows that calibration lets below -0.5.", 0.002)
    features = objects(FeatureSchema, "Features that the model looks at.")
    schema = string("Schema of the data: workers only load models of their own.", "1f2e3d4c")
    gate = mapping(
        "Figures of the gate: the share of recent legitimate clients that the model flags, and the "
        "share that is allowed.",
        {"flagged_share": 0.004, "allowed_share": 0.05},
    )
    last_training = fields.Nested(
        LastTrainingSchema,
        required=True,
        allow_none=True,
        metadata=described("Latest training of this worker; null if there was none."),
    )
    history = objects(ModelSchema, "Models that are kept, the newest first.")
