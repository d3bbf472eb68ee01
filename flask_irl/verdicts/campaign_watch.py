"""Watch the site for campaigns: count newcomers in each flush, and hold those of running ones.

Every worker tells what it has seen; one of them, whoever has the lease, looks at all of it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.observation import Fields
from flask_irl.campaigns.campaign import EMPTY, Subject, Table, decode
from flask_irl.campaigns.newcomers import (
    HELD_AT,
    NEW_SECONDS,
    SORTS,
    SystemOf,
    came_after,
    is_of,
    sort_masks,
)
from flask_irl.campaigns.news import News, Seen
from flask_irl.campaigns.news import decode as decode_news
from flask_irl.campaigns.site_view import SiteView
from flask_irl.stores.base import Store
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import CampaignsRunning, Notify
from flask_irl.verdicts.campaign_log import log_began, log_ended
from flask_irl.verdicts.incident_watch import Announce, IncidentWatch, no_one
from flask_irl.verdicts.judge import Verdicts
from flask_irl.verdicts.merge import Profiles

WATCH_SECONDS: Final = 3.0
"""Time between two looks at the site."""
LEASE_SECONDS: Final = 15
SAVE_SECONDS: Final = 30.0
"""Time between two saves of what is usual."""
WATCH: Final = "campaigns"
"""Name of the lease, of the news, and of the note with what is usual."""
MOST_NEWS: Final = 100
"""Reports of workers that wait at most."""


class CampaignWatch:
    """Watch for campaigns in this process.

    Args:
        store: Holds the news of all workers, what is usual, and the table of campaigns.
        notify: Takes events.
        enabled: Whether there are campaigns at all.
        announce: Takes beginnings and ends of incidents.
        system_of: Names the autonomous system of a client; None where nothing does.

    Attributes:
        table: The campaigns that run, as this process knows them.
        incidents: Watches for attacks of any kind.
    """

    def __init__(
        self,
        store: Store,
        notify: Notify,
        *,
        enabled: bool,
        announce: Announce = no_one,
        system_of: SystemOf | None = None,
    ) -> None:
        self.incidents = IncidentWatch(store, notify, announce)
        self._store = store
        self._notify = notify
        self._enabled = enabled
        self._system_of = system_of
        self._damaged_news = DamageLog("news", "campaign_news_damaged", notify)
        self._damaged = DamageLog("campaigns", "campaigns_damaged", notify)
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self.table: Table = EMPTY
        self._revision = 0
        self._owner = uuid.uuid4().hex
        self._news = News(self._system_of)
        self._view: SiteView | None = None
        self._told_at = self._saved_at = self._leads_until = 0.0
        self._lock = threading.Lock()
        self._part: Mapping[int, Subject] = {}
        self.incidents.after_fork()

    def refresh(self, revision: int) -> None:
        """Take up the table of campaigns, if it has another revision.

        Raises:
            StoreError: The store failed.
        """
        if not self._enabled or revision == self._revision:
            return
        with self._lock:
            self._read()

    def see(
        self,
        profiles: Profiles,
        verdicts: Verdicts,
        observations: Mapping[str, Sequence[Fields]],
        saved: Mask,
        steps: NDArray[np.int64],
        trapped: Collection[str],
    ) -> None:
        """Count the newcomers, and what is part of an attack, among clients judged together."""
        part, self._part = self._part, {}
        flagged = saved & (steps > 0)
        if self._store.keeps_history:
            self.incidents.see(profiles, verdicts, observations, flagged, trapped, part)
        if self._enabled:
            own = [observations[client] for client in profiles.clients]
            seen = Seen(profiles.clients, own, profiles.records, verdicts.features, saved)
            self._news.see(seen)

    def held(self, profiles: Profiles, verdicts: Verdicts) -> Mask | None:
        """Tell which clients are part of a running campaign; None while none runs.

        Raises:
            StoreError: The store failed.
        """
        judged = profiles.clients, verdicts.features, profiles.records
        part = members(self.table, *judged, self._system_of)
        if part:
            # An operator may have ended it, and let them go, since this worker heard of it.
            self.refresh(self._store.campaigns()[0])
            part = members(self.table, *judged, self._system_of)
        if part is None:
            return None
        self._part = part
        for index, subject in part.items():
            self._news.hold(subject, profiles.observations[index])
        mask = np.zeros(len(profiles.clients), dtype=bool)
        mask[list(part)] = True
        return mask

    def look(self, *, guarding: bool) -> None:
        """Tell the news, and look at the site if it is time to, and this worker's turn.

        Args:
            guarding: Whether the crowd guard is active.

        Raises:
            StoreError: The store failed; news that weren't told wait.
        """
        if self._enabled:
            self._look_if_due(guarding)
        if self._store.keeps_history:
            self.incidents.look(self.table.campaigns)

    def _look_if_due(self, guarding: bool) -> None:
        latest = self._news.latest
        if self.table.campaigns and not self._news.counts:
            # A campaign may end while nobody comes.
            latest = self._store.now()
        if 0.0 <= latest - self._told_at < WATCH_SECONDS:
            return
        if not latest:
            return
        self._told_at = latest
        news = self._news
        if news.counts:
            self._store.add_news(WATCH, news.encode(), MOST_NEWS)
            self._news = News(self._system_of)
            self._news.latest = latest
        if self._store.take_lease(WATCH, self._owner, LEASE_SECONDS):
            with self._lock:
                self._look(guarding)

    def replace(self, before: Table, after: Table) -> bool:
        """Replace the table on an operator's word; False if it has changed meanwhile.

        Args:
            before: The table that the change was made from.
            after: The table from now on.

        Raises:
            StoreError: The store failed.
        """
        with self._lock:
            if self.table is not before:
                return False
            if not self._store.put_campaigns(self._revision, after.encode()):
                self._read()
                return False
            self._revision += 1
            self._use(after)
        return True

    def _look(self, guarding: bool) -> None:
        store = self._store
        now = store.now()
        if self._view is None or now > self._leads_until:
            self._view = SiteView.decode(store.note(WATCH), self._damaged.tell)
            self._saved_at = now
            self._read()
        self._leads_until = now + LEASE_SECONDS
        view, before = self._view, self.table
        told = [self._decode(data) for data in store.take_news(WATCH, MOST_NEWS)]
        view.add([counts for counts in told if counts], now, before.campaigns)
        outcome = view.look(before, now, guarding=guarding)
        table = outcome.table
        if outcome.began:
            workers = max(len(store.workers()), 1)
            table = Table(table.campaigns, table.muted, workers)
        if table != before:
            if not store.put_campaigns(self._revision, table.encode()):
                # An operator has ended one meanwhile; the next look knows.
                self._read()
                return
            self._revision += 1
            self._use(table)
            for campaign in outcome.began:
                log_began(campaign)
            for campaign in outcome.ended:
                log_ended(campaign, "itself")
        is_saved = 0.0 <= now - self._saved_at < SAVE_SECONDS
        if outcome.began or outcome.ended or not is_saved:
            store.put_note(WATCH, view.encode())
            self._saved_at = now

    def _read(self) -> None:
        self._revision, data = self._store.campaigns()
        self._use(decode(data, self._damaged.tell))

    def _use(self, table: Table) -> None:
        self.table = table
        self._notify(
            CampaignsRunning([campaign.subject.kind for campaign in table.campaigns.values()])
        )

    def _decode(self, data: bytes) -> Mapping[Subject, Mapping[str, float]]:
        try:
            return decode_news(data)[1]
        except ValueError as error:
            self._damaged_news.tell(str(error))
            return {}


def members(
    table: Table,
    clients: Sequence[str],
    features: NDArray[np.float32],
    records: profile.Records,
    system_of: SystemOf | None = None,
) -> dict[int, Subject] | None:
    """Find the clients that are part of a running campaign of newcomers; None while none runs.

    Args:
        table: The campaigns.
        clients: The clients' keys.
        features: Their features, one row each.
        records: Their profiles.
        system_of: Names the autonomous system of a client; None where nothing does.
    """
    running = [c for c in table.campaigns.values() if c.subject.kind != "login"]
    if not running:
        return None
    found: dict[int, Subject] = {}
    masks = sort_masks(features, records)
    for campaign in running:
        kind, network, sort = campaign.subject
        known = next((x for x in SORTS if x == sort), None)
        if known is None:
            continue
        mask = masks[known] & came_after(records, campaign.since - NEW_SECONDS)
        mask &= records["total"] >= HELD_AT[known]
        for index in np.flatnonzero(mask).tolist():
            if kind == "site" or is_of(clients[index], network, system_of):
                found.setdefault(index, campaign.subject)
    return found
