"""Serve the endpoints on campaigns."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import NotFound

from flask_irl.admin.blueprint import blueprint, operator
from flask_irl.admin.schemas.campaigns import (
    CampaignsSchema,
    EndCampaignRequest,
    EndedCampaignSchema,
)
from flask_irl.admin.state import current_admin
from flask_irl.operations.campaigns import EndedCampaign


@blueprint.operation("GET", "/campaigns", CampaignsSchema, tag="site")
def campaigns() -> dict[str, Any]:
    """List the attacks of many clients that run, the latest first"""
    return {"campaigns": current_admin().operations.campaigns.running()}


@blueprint.operation(
    "POST",
    "/campaigns/<string:campaign>/end",
    EndedCampaignSchema,
    body=EndCampaignRequest,
    errors=(404,),
    tag="site",
)
def end_campaign(change: dict[str, Any], campaign: str) -> EndedCampaign:
    """End a campaign: its clients are judged by themselves again

    Holds in all workers within two seconds. Clients that it alone holds have their full limit back.
    For an hour, or the time given, no campaign is named for the same.
    """
    operations = current_admin().operations
    seconds = operations.seconds(change.get("seconds"), change.get("until"))
    result = operations.campaigns.end(campaign, operator(), change["reason"], seconds)
    if result is None:
        raise NotFound("No such campaign runs: GET /campaigns lists those that do.")
    return result
