"""List the campaigns that run, end one, and put one back that was ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict

from flask_irl.campaigns.campaign import (
    MAX_CAMPAIGNS,
    MUTED_SECONDS,
    Campaign,
    Subject,
    Table,
    decode,
)
from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.override import check_seconds
from flask_irl.operations.audit import AuditLog, check_reason
from flask_irl.operations.campaign_clients import held_by, let_go, place_of
from flask_irl.operations.moments import when
from flask_irl.operations.results import AuditEntry
from flask_irl.verdicts.campaign_log import log_ended, log_resumed

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


class MutedSubject(TypedDict):
    """Describe what no campaign is named for before ``until``, in seconds since the epoch.

    ``common`` and ``place`` are words for its sort and target.
    """

    common: str
    place: str
    until: float


class EndedCampaign(TypedDict):
    """Describe a campaign that an operator has ended; no such one is named before ``until``.

    ``released`` counts the clients that have their full limit back: those that it alone held.
    """

    id: str
    kind: str
    target: str
    sort: str
    until: float
    released: int


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

    def muted(self) -> list[MutedSubject]:
        """List what no campaign is named for at present, the longest first."""
        self._limiter.refresh()
        table, now = self._limiter.learning.campaigns.table, self._store.now()
        live = [item for item in table.muted.items() if item[1] > now]
        live.sort(key=lambda item: (-item[1], item[0]))
        return [
            {"common": MANNERS.get(sort, sort), "place": place_of(kind, target), "until": until}
            for (kind, target, sort), until in live
        ]

    def held(self, campaign_id: str) -> tuple[CampaignState, list[str]] | None:
        """Describe a campaign with the clients that it alone holds; None if none of that id runs.

        They are those that :meth:`end` gives their full limit back.
        """
        self._limiter.refresh()
        campaign = self._limiter.learning.campaigns.table.find(campaign_id)
        if campaign is None:
            return None
        return _state_of(campaign), held_by(self._limiter, campaign)

    def end(
        self,
        campaign_id: str,
        who: str,
        reason: str = "",
        seconds: float = MUTED_SECONDS,
        until: float | None = None,
    ) -> EndedCampaign | None:
        """End a campaign in all workers; None if none of that id runs.

        Clients that it alone holds have their full limit back, and none is named for the same for a
        time.

        Args:
            campaign_id: Its id.
            who: The operator.
            reason: The operator's reason, for the audit log.
            seconds: The time for which no campaign is named for the same, up to a year.
            until: The end of that time instead, in seconds since the epoch: that of a former end.

        Raises:
            ConfigurationError: The reason is too long, or the time isn't allowed, or is over.
            StoreError: The store failed, or the campaigns change all the time.
        """
        check_reason(reason)
        now = self._store.now()
        if until is not None and until <= now:
            raise ConfigurationError(
                f"the campaign was ended until {when(until)}, which is past: nothing was undone; "
                "end it anew if it is no attack"
            )
        check_seconds(seconds if until is None else until - now)
        end = now + seconds if until is None else until
        ended = list[Campaign]()

        def without(table: Table) -> Table | None:
            campaign = table.find(campaign_id)
            if campaign is None:
                return None
            if not ended:
                after = {"until": end}
                self._audit.record(
                    who, "end_campaign", campaign.id, _members_of(campaign), after, reason
                )
            ended.append(campaign)
            return table.without(campaign, end)

        if not self._change(without):
            return None
        campaign = ended[-1]
        log_ended(campaign, "operator")
        kind, target, sort = campaign.subject
        return {
            "id": campaign.id,
            "kind": kind,
            "target": target,
            "sort": sort,
            "until": end,
            "released": let_go(self._limiter, campaign),
        }

    def muted_until(self, entry: AuditEntry) -> float | None:
        """Tell until when the end of a campaign holds; None if it doesn't, or another one runs."""
        self._limiter.refresh()
        table = self._limiter.learning.campaigns.table
        campaign = _campaign_of(entry["before"])
        if campaign is None or campaign.subject in table.campaigns:
            return None
        until = table.muted.get(campaign.subject)
        return until if until is not None and until > self._store.now() else None

    def resume(self, entry: AuditEntry, who: str) -> None:
        """Put back a campaign that an operator has ended, as it was then.

        Clients that look like it are held again with their next requests.

        Args:
            entry: The entry of its end in the audit log.
            who: The operator.

        Raises:
            ConfigurationError: The entry is no such one, or too many campaigns run.
            StoreError: The store failed, or the campaigns change all the time.
        """
        campaign = _campaign_of(entry["before"])
        if campaign is None:
            raise ConfigurationError("the audit log doesn't have all of it: nothing was undone")
        audited = False

        def with_again(table: Table) -> Table:
            nonlocal audited
            if len(table.campaigns) >= MAX_CAMPAIGNS:
                raise ConfigurationError(f"{MAX_CAMPAIGNS} campaigns run, and no more can")
            if not audited:
                after = _members_of(campaign)
                self._audit.record(who, "resume_campaign", campaign.id, entry["after"], after)
                audited = True
            return table.with_again(campaign)

        self._change(with_again)
        log_resumed(campaign)

    def _change(self, change: Callable[[Table], Table | None]) -> bool:
        """Change the table of campaigns; False if there is nothing to change."""
        watch = self._limiter.learning.campaigns
        for _ in range(MAX_TRIES):
            self._limiter.refresh()
            seen = watch.table
            after = change(seen)
            if after is None:
                return False
            if watch.replace(seen, after):
                self._limiter.refresh()
                return True
        raise StoreError("the campaigns are being changed by other workers all the time")


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


def _members_of(campaign: Campaign) -> dict[str, Any]:
    """Describe a campaign for the audit log, so that it can be put back."""
    kind, target, sort = campaign.subject
    return {
        "kind": kind,
        "target": target,
        "sort": sort,
        "since": campaign.since,
        "clients": campaign.clients,
        "requests": campaign.requests,
        "per_minute": campaign.per_minute,
        "slow": campaign.slow,
    }


def _campaign_of(members: Mapping[str, Any] | None) -> Campaign | None:
    """Read a campaign of the audit log; None for none, or one of an earlier build."""
    if members is None or not members.keys() >= {"per_minute", "slow"}:
        return None
    subject = [members.get(name) for name in Subject._fields]
    data = json.dumps({"campaigns": [{**members, "subject": subject}]}).encode()
    return next(iter(decode(data).campaigns.values()), None)
