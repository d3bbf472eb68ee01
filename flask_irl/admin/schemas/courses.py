"""Define the response of the endpoint on a client's course."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from flask_irl.admin.schemas.fields import boolean, integer, moment, number, objects, string
from flask_irl.behaviour.courses import CLIENTS_KEPT


class CourseSlotSchema(ma.Schema):
    """Describe what a client did in a slot in which it sent something."""

    since = moment("Beginning of the slot")
    requests = integer("Requests, refused ones included.", 340)
    busiest_minute = integer(
        "Requests of the minute with most of them, 65,535 at most, as of each minute.", 110
    )
    refused = integer("Refused requests, 65,535 at most.", 212)
    lowest_score = number("Lowest score, from 0 to -1.", -0.71)
    step = integer("Highest step on the ladder; 0 is the full limit.", 1)


class StepChangeSchema(ma.Schema):
    """Describe a moment of flag or relief."""

    at = moment("Moment, to two seconds")
    change = string(
        "`flagged` when it left the full limit, `relieved` when it got that back.",
        "flagged",
        validate=validate.OneOf(("flagged", "relieved")),
    )


class CourseSchema(ma.Schema):
    """Describe the course of a client over the last day."""

    client = string("Key of the client, as stored.", "203.0.113.7")
    kept = boolean(
        "True if a course of the client is kept: those of the most active, the flagged and the "
        f"most anomalous clients of the last day are, {CLIENTS_KEPT:,} at most."
    )
    slot_seconds = integer("Length of a slot.", 300)
    since = moment("Beginning of the first slot that is kept of anybody")
    until = moment("The present")
    threshold = number("Threshold in force; below it, a score is anomalous.", -0.5)
    slots = objects(
        CourseSlotSchema, "Slots, the earliest first; those without a request are left out."
    )
    changes = objects(
        StepChangeSchema,
        "Flags and reliefs, the earliest first; of several of a kind in a slot, one.",
    )
