"""List the campaigns that run, and end one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypedDict

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import matrix
from flask_irl.behaviour.routes import is_login
from flask_irl.campaigns.campaign import MUTED_SECONDS, Campaign
from flask_irl.campaigns.newcomers import LOGGED_IN, has_history, login_sorts, logins_done
from flask_irl.errors import StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.audit import AuditLog, check_reason
from flask_irl.operations.moments import when
from flask_irl.verdicts.campaign_watch import members

MAX_TRIES: Final = 5
MANNERS: Final[Mapping[str, str]] = {
    "direct": "newcomers that do nothing but log in, and fail",
    "page": "newcomers that fail to log in, and ask for no more than the login page",
    "visitor": "newcomers that fail to log in",
    "taking": "newcomers that take one new path of a route after the other",
    "leafing": "newcomers that take one new path of a route after the other, as slowly as people",
    "pacing": "newcomers that take new paths at an even pace",
    "scanning": "newcomers that guess at paths",
}
"""Describe the clients of each sort, for people."""
ATTEMPTS: Final = 0.5
"""Count of logins that one leaves for some minutes."""


class CampaignState(TypedDict):
    """Describe a running campaign.

    ``kind`` is ``login``, ``site`` or ``network``; ``target`` the login's route, empty or the
    network; ``per_minute`` the logins a minute that such newcomers may still try, 0 for other
    kinds.
    """

    id: str
    kind: str
    target: str
    sort: str
    common: str
    since: float
    clients: int
    requests: int
    per_minute: float


class EndedCampaign(TypedDict):
    """Describe a campaign that an operator has ended; no such one is named before ``until``."""

    id: str
    kind: str
    target: str
    sort: str
    until: float


class CampaignOperations:
    """Look at campaigns, and end them.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._audit = audit

    def running(self) -> list[CampaignState]:
        """List the campaigns that run, the latest first."""
        self._limiter.refresh()
        campaigns = self._limiter.learning.campaigns.table.campaigns.values()
        return [_state_of(x) for x in sorted(campaigns, key=lambda x: -x.since)]

    def end(self, campaign_id: str, who: str, reason: str = "") -> EndedCampaign | None:
        """End a campaign in all workers; None if none of that id runs.

        No campaign is named for the same for an hour.

        Args:
            campaign_id: Its id.
            who: The operator.
            reason: The operator's reason, for the audit log.

        Raises:
            ConfigurationError: The reason is too long.
            StoreError: The store failed, or the campaigns change all the time.
        """
        check_reason(reason)
        watch = self._limiter.learning.campaigns
        audited = False
        for _ in range(MAX_TRIES):
            self._limiter.refresh()
            campaign = watch.table.find(campaign_id)
            if campaign is None:
                return None
            kind, target, sort = campaign.subject
            now = self._store.now()
            if not audited:
                before = {"kind": kind, "target": target, "sort": sort, "since": campaign.since}
                self._audit.record(who, "end_campaign", campaign.id, before, None, reason)
                audited = True
            if watch.end(campaign, now):
                self._limiter.refresh()
                until = now + MUTED_SECONDS
                return {
                    "id": campaign.id,
                    "kind": kind,
                    "target": target,
                    "sort": sort,
                    "until": until,
                }
        raise StoreError("the campaigns are being changed by other workers all the time")


def part_of_campaigns(limiter: Limiter, client: str, record: profile.Records) -> list[str]:
    """Tell in sentences which running campaigns a client is part of.

    Args:
        limiter: The limiter.
        client: The client's key.
        record: Its profile alone.
    """
    table = limiter.learning.campaigns.table
    if not table.campaigns or not record["total"][0]:
        return []
    view = profile.view(record, 0.0, 0.0)
    found = members(table, [client], matrix(view), record) or {}
    subjects = set(found.values())
    attempts = max(view["login_writes"][0], view["failed_writes"][0])
    if not has_history(record)[0] and attempts >= ATTEMPTS:
        sort = login_sorts(view)[0]
        subjects |= {
            s
            for s in table.campaigns
            if s.kind == "login"
            and s.sort == sort
            and logins_done(view, named=is_login(s.target))[0] < LOGGED_IN
        }
    return [_sentence(table.campaigns[s]) for s in table.campaigns if s in subjects]


def place_of(kind: str, target: str) -> str:
    """Word what a campaign aims at."""
    return {"login": f"on {target}", "network": f"from {target}"}.get(kind, "on the whole site")


def _sentence(campaign: Campaign) -> str:
    kind, target, _ = campaign.subject
    return f"part of a campaign {place_of(kind, target)} since {when(campaign.since)}"


def _state_of(campaign: Campaign) -> CampaignState:
    kind, target, sort = campaign.subject
    return {
        "id": campaign.id,
        "kind": kind,
        "target": target,
        "sort": sort,
        "common": MANNERS.get(sort, sort),
        "since": campaign.since,
        "clients": round(campaign.clients),
        "requests": round(campaign.requests),
        "per_minute": campaign.per_minute,
    }
