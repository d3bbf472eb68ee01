"""Show a campaign and whom it holds, and end it."""

from __future__ import annotations

from flask import Response, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.pages.access import visitor
from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.forms import DURATIONS, done, field, reason, seconds
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.state import current_admin
from flask_irl.operations.campaign_clients import place_of

LISTED = 20
"""Clients that are named."""


@pages.get("/page/campaign")
def campaign() -> Response:
    """Show a campaign, with the consequences of its end."""
    operations = current_admin().operations
    found = operations.campaigns.held(request.args.get("id", ""))
    if found is None:
        raise _gone()
    state, held = found
    return page(
        "campaign.html",
        campaign=state,
        place=place_of(state["kind"], state["target"]),
        held=held[:LISTED],
        total=len(held),
        durations=DURATIONS,
    )


@pages.post("/page/campaign")
def end_campaign() -> BaseResponse:
    """End a campaign for a time."""
    operations = current_admin().operations
    campaign_id = field("id")
    ended = operations.campaigns.end(campaign_id, visitor().who, reason(), seconds())
    if ended is None:
        raise _gone()
    return done("overview", campaign_id)


def _gone() -> NotFound:
    return NotFound("No such campaign runs; it may have ended.")
