"""Define the bodies of the endpoints on rate plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from flask_irl.admin.schemas.fields import (
    Number,
    boolean,
    described,
    integer,
    moment,
    objects,
    string,
    strings,
)
from flask_irl.admin.schemas.requests import HOUR_SECONDS, Request, reason_field, until_field
from flask_irl.admin.schemas.site import PageSchema
from flask_irl.config.plan_values import MAX_PLANS, PLAN_NAME
from flask_irl.limits.override import MAX_SECONDS

NAME = f"^{PLAN_NAME.pattern}$"
MAX_LIMITS_TEXT = 500


def _plan_name(**more: Any) -> fields.String:
    return fields.String(
        validate=validate.Regexp(PLAN_NAME.pattern + r"\Z", error="This is no name of a plan."),
        metadata=described("Name of a plan.", "pro", pattern=NAME),
        **more,
    )


class PlansRequest(Request):
    """Change rate plans; null goes back to the configuration."""

    json_schema: ClassVar[Mapping[str, Any]] = {"minProperties": 1}
    example: ClassVar = {"plans": {"pro": "900/minute;30000/day"}}

    plans = fields.Dict(
        keys=fields.String(
            validate=validate.Regexp(PLAN_NAME.pattern + r"\Z", error="This is no name of a plan.")
        ),
        values=fields.String(allow_none=True, validate=validate.Length(1, MAX_LIMITS_TEXT)),
        validate=validate.Length(max=MAX_PLANS),
        metadata=described(
            "Limits by name of a plan, several with `;` between them; plans that aren't named "
            "stay. Null goes back to the configured limits, and removes a plan that isn't "
            "configured.",
            {"pro": "900/minute;30000/day"},
        ),
    )
    default_plan = fields.String(
        allow_none=True,
        validate=validate.Regexp(PLAN_NAME.pattern + r"\Z", error="This is no name of a plan."),
        metadata=described(
            "Plan of clients that have no other; null for the configured one.", "free"
        ),
    )

    @ma.validates_schema
    def _check_any(self, data: Mapping[str, Any], **_: Any) -> None:
        if not data:
            raise ma.ValidationError(f"Give at least one of {', '.join(self.fields)}.")


class PlanRequest(Request):
    """Assign a client a plan."""

    json_schema: ClassVar[Mapping[str, Any]] = {"not": {"required": ["seconds", "until"]}}
    example: ClassVar = {"plan": "pro", "seconds": 2_592_000, "reason": "Trial month."}

    plan = _plan_name(required=True)
    seconds = Number(
        validate=validate.Range(0, MAX_SECONDS, min_inclusive=False),
        metadata=described(
            f"Duration; {HOUR_SECONDS} without it and `until`.", 2_592_000, exclusiveMinimum=0
        ),
    )
    until = until_field()
    reason = reason_field("Trial month.")


class PlanEntrySchema(ma.Schema):
    """Describe a rate plan."""

    plan = string("Name of the plan.", "pro")
    limits = strings("Limits that count instead of the base limit.", ["600 per 60 seconds"])
    configured = fields.List(
        fields.String(),
        required=True,
        allow_none=True,
        metadata=described("Limits by the configuration; null where it has no such plan."),
    )
    assigned = integer("Clients that operators have assigned it.", 3)


class PlansSchema(ma.Schema):
    """Describe the rate plans in force."""

    example: ClassVar = {
        "plans": [
            {
                "plan": "free",
                "limits": ["60 per 60 seconds"],
                "configured": ["60 per 60 seconds"],
                "assigned": 0,
            },
            {
                "plan": "pro",
                "limits": ["900 per 60 seconds", "30000 per 86400 seconds"],
                "configured": ["600 per 60 seconds", "20000 per 86400 seconds"],
                "assigned": 3,
            },
        ],
        "default_plan": "free",
    }

    plans = objects(PlanEntrySchema, "Plans.")
    default_plan = string(
        "Plan of clients that have no other; null for the base limit.", "free", allow_none=True
    )


class AssignedPlanSchema(ma.Schema):
    """Describe the plan that an operator has assigned a client."""

    example: ClassVar = {
        "client": "203.0.113.7",
        "plan": "pro",
        "until": "2026-12-27T15:40:00Z",
        "reason": "Trial month.",
        "who": "oncall",
    }

    client = string("Key of the client, as stored.", "203.0.113.7")
    plan = string("Name of the plan.", "pro")
    until = moment("End of the assignment")
    reason = string("Reason; empty if none was given.", "Trial month.")
    who = string("Operator.", "oncall")


class AssignedPlansSchema(PageSchema):
    """Describe a page of clients that are assigned a plan."""

    example: ClassVar = {
        "total": 1,
        "page": 1,
        "page_size": 50,
        "clients": [AssignedPlanSchema.example],
    }

    clients = objects(AssignedPlanSchema, "Clients on this page.")


class PlanRemovedSchema(ma.Schema):
    """Describe a client whose assigned plan was taken back."""

    example: ClassVar = {"client": "203.0.113.7", "removed": True}

    client = string("Key of the client, as stored.", "203.0.113.7")
    removed = boolean("True.")
