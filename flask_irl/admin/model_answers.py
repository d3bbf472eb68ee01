"""What the admin API answers about models."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.described import listed, moment, number, told, truth, whole, words

RESULTS = ("accepted", "rejected", "refused", "failed")


class TrainingSchema(ma.Schema):
    """A training that was started."""

    result = words(
        "`started`: it runs in the background.", "started", validate=validate.OneOf(("started",))
    )
    version = whole("The model in force as it began; a later one comes of it if accepted.", 7)
    at = moment("When it began")
    see = words("The path that tells how it ended, in `last_training`.", "/admin/model-info")


class LastTrainingSchema(ma.Schema):
    """The latest training of this worker."""

    result = words(
        "`accepted`: its model is in force; `rejected`: it is kept aside; `refused`: it was not "
        "started; `failed`.",
        "accepted",
        validate=validate.OneOf(RESULTS),
    )
    reason = words("Why, unless it was accepted.", "")
    at = moment("When")
    seconds = number("How long it took.", 1.8)
    version = whole("The model's version; 0 if none is in force.", 8)
    rows = whole("Rows trained on.", 5120)
    clients = whole("Different clients among them.", 240)
    requests = whole("Requests that the rows stand for.", 18230)


class FeatureSchema(ma.Schema):
    """A feature of a client's behaviour."""

    name = words("Its name.", "new_paths")
    unit = words("Its unit.", "1/min")
    text = words("What it tells.", "new paths asked for")


class ModelSchema(ma.Schema):
    """A model that is kept."""

    version = whole("Its version.", 7)
    readable = truth("Whether it can be put in force.")
    in_force = truth("Whether it is.")
    trained_at = moment("When it was trained", dump_default=None, allow_none=True)
    rows = whole(
        "Rows trained on; null if it can't be read.", 5120, dump_default=None, allow_none=True
    )
    clients = whole("Different clients among them.", 240, dump_default=None, allow_none=True)
    requests = whole("Requests that they stand for.", 18230, dump_default=None, allow_none=True)
    advisory = fields.Boolean(
        required=True,
        dump_default=None,
        allow_none=True,
        metadata=told("Whether it has seen too few clients to be heeded."),
    )


class ModelsSchema(ma.Schema):
    """The models that are kept."""

    models = listed(ModelSchema, "The newest first.")


class ModelInfoSchema(ma.Schema):
    """The model in force."""

    trained = truth("Whether there is one.")
    version = whole("Its version; 0 if there is none.", 7)
    kind = words("What kind of detector it is.", "isolation_forest")
    trained_at = moment("When it was trained", allow_none=True)
    rows = whole("Rows trained on.", 5120)
    clients = whole("Different clients among them.", 240)
    requests = whole("Requests that they stand for.", 18230)
    advisory = truth("Whether it has seen too few clients to be heeded.")
    threshold = number("A client whose score is below is anomalous.", -0.5)
    false_flag_rate = number("Share of legitimate rows that calibration lets below -0.5.", 0.002)
    features = listed(FeatureSchema, "What it looks at.")
    schema = words("Of its data: workers only load models of their own.", "1f2e3d4c")
    gate = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata=told(
            "How it passed: the share of recent legitimate clients that it flags, and how many it "
            "may.",
            {"flagged_share": 0.004, "allowed_share": 0.05},
        ),
    )
    last_training = fields.Nested(
        LastTrainingSchema,
        required=True,
        allow_none=True,
        metadata=told("Null if this worker has trained nothing yet."),
    )
    history = listed(ModelSchema, "The models that are kept, the newest first.")
