"""Define the bodies and responses of the endpoints on campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import validate

from flask_irl.admin.schemas.fields import (
    Number,
    described,
    integer,
    moment,
    number,
    objects,
    string,
)
from flask_irl.admin.schemas.requests import HOUR_SECONDS, Request, reason_field, until_field
from flask_irl.campaigns.campaign import KINDS
from flask_irl.limits.override import MAX_SECONDS


class SubjectSchema(ma.Schema):
    """Describe what a campaign was named for."""

    id = string("Id of the campaign.", "4189c322")
    kind = string(
        "`login`: failing logins at a route; `site`: newcomers anywhere; `network`: those of a "
        "network.",
        "login",
        validate=validate.OneOf(KINDS),
    )
    target = string("Route of the login; empty for the whole site; the network.", "/login")
    sort = string("Sort of newcomers.", "direct")


class CampaignSchema(SubjectSchema):
    """Describe a campaign that runs."""

    common = string(
        "Behaviour that its clients have in common.",
        "newcomers that do nothing but log in, and fail",
    )
    since = moment("Time at which it was named")
    clients = integer("Newcomers that were part of it so far, about.", 213)
    requests = integer(
        "Their failed and refused logins so far, about; of other kinds, requests sent while held.",
        640,
    )
    per_minute = number(
        "Logins a minute that such newcomers may still try in all workers together; 0 for other "
        "kinds.",
        0.5,
    )


class CampaignsSchema(ma.Schema):
    """Describe the campaigns that run."""

    campaigns = objects(CampaignSchema, "Campaigns, the latest first.")


class EndedCampaignSchema(SubjectSchema):
    """Describe a campaign that an operator has ended."""

    until = moment("Time until which no campaign is named for the same")
    released = integer("Clients that have their full limit back, which it alone held.", 12)


class EndCampaignRequest(Request):
    """End a campaign."""

    optional = True
    json_schema: ClassVar[Mapping[str, Any]] = {"not": {"required": ["seconds", "until"]}}
    example: ClassVar = {"seconds": 3600, "reason": "Our own migration of accounts."}

    seconds = Number(
        validate=validate.Range(0, MAX_SECONDS, min_inclusive=False),
        metadata=described(
            "Time for which no campaign is named for the same; "
            f"{HOUR_SECONDS} without it and `until`.",
            HOUR_SECONDS,
            exclusiveMinimum=0,
        ),
    )
    until = until_field()
    reason = reason_field("Our own migration of accounts.")
