"""Log the beginning, the end and the resumption of campaigns."""

from __future__ import annotations

import logging

from flask_irl.campaigns.campaign import Campaign
from flask_irl.telemetry.log import event


def log_began(campaign: Campaign) -> None:
    """Log that a campaign began."""
    kind, target, sort = campaign.subject
    event(
        logging.WARNING,
        "campaign_began",
        campaign=campaign.id,
        kind=kind,
        target=target,
        sort=sort,
        clients=campaign.clients,
        requests=campaign.requests,
    )


def log_ended(campaign: Campaign, by: str) -> None:
    """Log that a campaign ended, by itself or by an operator."""
    kind, target, sort = campaign.subject
    event(
        logging.INFO,
        "campaign_ended",
        campaign=campaign.id,
        kind=kind,
        target=target,
        sort=sort,
        clients=campaign.clients,
        requests=campaign.requests,
        by=by,
    )


def log_resumed(campaign: Campaign) -> None:
    """Log that an operator has put back a campaign that was ended."""
    kind, target, sort = campaign.subject
    event(
        logging.INFO,
        "campaign_resumed",
        campaign=campaign.id,
        kind=kind,
        target=target,
        sort=sort,
    )
