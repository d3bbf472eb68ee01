"""Watch for attacks as incidents: all workers tell what flagged clients do, one looks at it."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import column
from flask_irl.behaviour.harm import HARMFUL_PATHS, HARMFUL_RATE, Mask
from flask_irl.behaviour.observation import Fields
from flask_irl.behaviour.rollups import answer_kind
from flask_irl.campaigns.campaign import Campaign, Subject
from flask_irl.campaigns.incident import (
    COUNTS,
    UNUSUAL,
    Incident,
    Told,
    about,
    decode,
    decode_told,
    encode,
    encode_told,
    look,
)
from flask_irl.stores.base import Store
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify
from flask_irl.telemetry.log import event
from flask_irl.verdicts.judge import Verdicts
from flask_irl.verdicts.merge import Profiles

INCIDENTS: Final = "incidents"
"""Name of the lease, of the news, and of the table."""
LOOK_SECONDS: Final = 5.0
"""Time between two looks while something is told."""
IDLE_SECONDS: Final = 60.0
"""The same while nothing is: an incident ends, or its watcher may have gone."""
LEASE_SECONDS: Final = 15
MOST_NEWS: Final = 200
MOST_NAMED: Final = 100
"""Clients that a worker's news name at most."""
MOST_KNOWN: Final = 20_000
"""Clients that a process knows to have been told or counted."""
GUESSING_SHARE: Final = 0.4
SCANNING_SHARE: Final = 0.4

Announce = Callable[[str, Incident], object]
"""Takes ``attack_began`` or ``attack_ended``, and the incident."""


def no_one(name: str, incident: Incident) -> None:
    """Announce an incident to nobody."""


class IncidentWatch:
    """Watch for incidents in this process.

    Args:
        store: Holds the news of all workers, and the incidents.
        notify: Takes events.
        announce: Takes beginnings and ends, in the one worker that watches.
    """

    def __init__(self, store: Store, notify: Notify, announce: Announce) -> None:
        self._store = store
        self._announce = announce
        self._damaged = DamageLog("incidents", "incidents_damaged", notify)
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self._owner = uuid.uuid4().hex
        self._waiting: dict[tuple[str, str], Told] = {}
        self._kinds: dict[str, tuple[str, str]] = {}
        self._counted: dict[tuple[str, str], set[str]] = {}
        self._looked_at = self._latest = self._latest_then = 0.0
        self._open = False
        self._lock = threading.Lock()

    def see(
        self,
        profiles: Profiles,
        verdicts: Verdicts,
        observations: Mapping[str, Sequence[Fields]],
        flagged: Mask,
        trapped: Collection[str],
        subjects: Mapping[int, Subject],
    ) -> None:
        """Count what flagged clients among those judged together did.

        Args:
            profiles: The clients.
            verdicts: The verdicts on them.
            observations: Their observations by client.
            flagged: Which are at a lower step from now on.
            trapped: Those that hit a honeypot.
            subjects: Subjects of the campaigns that some are part of, by place.
        """
        self._latest = max(self._latest, profiles.now)
        places = np.flatnonzero(flagged)
        if not len(places):
            return
        kinds = kinds_of(verdicts.features[places])
        for place, kind in zip(places.tolist(), kinds, strict=True):
            client = profiles.clients[place]
            pair = ("trap" if client in trapped else kind, "")
            if place in subjects:
                pair = about(subjects[place])
            self._see(client, pair, observations[client])

    def _see(self, client: str, pair: tuple[str, str], own: Sequence[Fields]) -> None:
        if len(self._kinds) >= MOST_KNOWN:
            self._kinds.clear()
        is_new = client not in self._kinds
        pair = self._kinds.setdefault(client, pair)
        before = self._waiting.get(pair, Told(*pair, 0.0, (), (0,) * len(COUNTS)))
        counts = dict(zip(COUNTS, before.counts, strict=True))
        at = before.at
        for fields in own:
            status, refused, times = fields[6], fields[8], fields[9]
            counts["requests"] += times
            counts["refused" if refused else answer_kind(status)] += times
            at = max(at, fields[1])
        names = before.clients
        if is_new and len(names) < MOST_NAMED:
            names = (*names, client)
        elif is_new:
            # Told when there is room.
            del self._kinds[client]
        self._waiting[pair] = Told(*pair, at, names, (*counts.values(),))

    def look(self, campaigns: Mapping[Subject, Campaign]) -> None:
        """Tell the news, and look at all of it if it is time to, and this worker's turn.

        Args:
            campaigns: The campaigns that run.

        Raises:
            StoreError: The store failed; news that weren't told wait.
        """
        is_busy = bool(self._waiting or campaigns)
        # An incident ends while nobody comes.
        is_quiet, self._latest_then = self._latest == self._latest_then, self._latest
        is_open = self._open or self._waiting
        latest = self._store.now() if is_open and is_quiet else self._latest
        pause = LOOK_SECONDS if is_busy or self._open else IDLE_SECONDS
        if not is_busy and not self._looked_at:
            # Whoever has just begun leaves the look to others at first.
            self._looked_at = latest
        if not latest or 0.0 <= latest - self._looked_at < pause:
            return
        self._looked_at = latest
        if self._waiting:
            self._store.add_news(INCIDENTS, encode_told([*self._waiting.values()]), MOST_NEWS)
            self._waiting = {}
        self._open = False
        if self._store.take_lease(INCIDENTS, self._owner, LEASE_SECONDS):
            with self._lock:
                self._look(campaigns)

    def _look(self, campaigns: Mapping[Subject, Campaign]) -> None:
        store = self._store
        revision, data = store.table(INCIDENTS)
        before = decode(data, self._damaged.tell)
        told = [one for news in store.take_news(INCIDENTS, MOST_NEWS) for one in self._decode(news)]
        outcome = look(before, told, campaigns, store.now(), self._count)
        self._open = any(not incident.until for incident in outcome.incidents)
        if outcome.incidents == before:
            return
        if not store.put_table(INCIDENTS, revision, encode(outcome.incidents)):
            # The lease was another worker's meanwhile, which has them by now.
            return
        for name, incidents in (("began", outcome.began), ("ended", outcome.ended)):
            for incident in incidents:
                _log(incident, began=name == "began")
                self._announce(f"attack_{name}", incident)

    def _count(self, pair: tuple[str, str], clients: Sequence[str]) -> int:
        """Count the clients that weren't counted for an incident before; none given forget them."""
        if not clients:
            self._counted.pop(pair, None)
            return 0
        counted = self._counted.setdefault(pair, set())
        before = len(counted)
        if before < MOST_KNOWN:
            counted.update(clients)
            return len(counted) - before
        return len(clients)

    def _decode(self, data: bytes) -> list[Told]:
        try:
            return decode_told(data)
        except ValueError as error:
            self._damaged.tell(str(error))
            return []


def kinds_of(features: NDArray[np.float32]) -> list[str]:
    """Name the kinds of attack that clients' behaviour is most like.

    Args:
        features: Their features, one row each.
    """

    def value(name: str) -> NDArray[np.float32]:
        return column(features, name)

    guessing = (value("failed_write_share") >= GUESSING_SHARE) | (
        value("denied_share") >= GUESSING_SHARE
    )
    scanning = value("missing_share") >= SCANNING_SHARE
    rate = np.maximum(value("requests_per_minute"), value("sustained_rate"))
    scraping = value("paths_in_use") >= HARMFUL_PATHS
    flood = rate >= HARMFUL_RATE
    found: list[str] = np.select(
        [guessing, scanning, scraping, flood],
        ["guessing", "scanning", "scraping", "flood"],
        UNUSUAL,
    ).tolist()
    return found


def _log(incident: Incident, *, began: bool) -> None:
    event(
        logging.WARNING if began else logging.INFO,
        "incident_began" if began else "incident_ended",
        incident=incident.id,
        kind=incident.kind,
        target=incident.target,
        clients=incident.clients,
        requests=incident.requests,
        refused=incident.refused,
    )
