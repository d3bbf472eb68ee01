"""Rank clients for operators: the most active, refused, anomalous, and the flagged ones.

Values fade while a client sends nothing, and all of a ranking's at the same pace. So a ranking
holds the logarithm of each value plus the time by which it would fade to 1/e: an order that stays
right for ever, though no entry is written again.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.sums import LONG, SHORT, Floats
from flask_irl.stores.base import Store
from flask_irl.stores.site import RANKED

MAX_ENTRIES: Final = 50
"""Clients that one flush puts into each ranking at most, however many it judges."""
COUNTED: Final = 500
"""Clients that are counted at once."""
MOST_WAITING: Final = 20_000
"""Clients whose entries wait for a store that is out."""


class Ranking(NamedTuple):
    """Describe a ranking that flushes keep up.

    Attributes:
        stored: Its name in the store.
        fades: Seconds over which its values fade to 1/e; infinite if they don't.
        least: The value below which a client is no longer listed.
    """

    stored: str
    fades: float = math.inf
    least: float = 0.0

    def rank(self, values: Floats, at: Floats) -> Floats:
        """Compute the stored values.

        Args:
            values: Values above 0.
            at: The time of each one, in seconds since the epoch.
        """
        return values if math.isinf(self.fades) else np.log(values) + at / self.fades

    def least_rank(self, now: float) -> float | None:
        """Compute the stored value of clients about to leave the list; None if none do."""
        return None if math.isinf(self.fades) else math.log(self.least) + now / self.fades


RANKINGS: Final[Mapping[str, Ranking]] = {
    "active": Ranking("rate", SHORT, 0.01),
    "anomalous": Ranking("anomaly", LONG, 0.01),
    "refused": Ranking("refusals", LONG, 0.05),
    "flagged": Ranking("flagged"),
}
"""Rankings by name: requests in a minute, scores, refusals in ten minutes, time of the step."""
FORMER: Final = ("active", "anomalous", "refused")
"""Rankings by values that don't fade, which workers of an earlier version may still write."""


class Rankings:
    """Gather the entries of one flush."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._clients: set[str] = set()
        self._entries: dict[str, dict[str, float]] = {name: {} for name in RANKINGS}
        self._mended: dict[str, None] = {}

    def add(
        self,
        clients: Sequence[str],
        records: profile.Records,
        scores: NDArray[np.float64],
        steps: NDArray[np.int64],
    ) -> None:
        """Add clients whose profiles were saved.

        Args:
            clients: Their keys.
            records: Their profiles.
            scores: Their smoothed scores.
            steps: Their steps from now on.
        """
        self._clients.update(clients)
        flagged = self._entries["flagged"]
        for index in np.flatnonzero(steps == 0).tolist():
            flagged.pop(clients[index], None)
            self._mended[clients[index]] = None
        values: dict[str, NDArray[Any]] = {
            "active": profile.sums_of(records, "recent"),
            "refused": profile.sums_of(records, "refused"),
            "anomalous": -scores,
            "flagged": np.where(steps > 0, records["stepped"], 0),
        }
        for name, value in values.items():
            chosen = np.flatnonzero(value > 0)
            ranks = RANKINGS[name].rank(value[chosen], records["updated"][chosen])
            if len(chosen) > MAX_ENTRIES:
                highest = np.argpartition(-ranks, MAX_ENTRIES)[:MAX_ENTRIES]
                chosen, ranks = chosen[highest], ranks[highest]
            entries = zip(chosen.tolist(), ranks.tolist(), strict=True)
            self._entries[name].update({clients[i]: float(rank) for i, rank in entries})
        for index in np.flatnonzero(steps > 0).tolist():
            self._mended.pop(clients[index], None)

    def bound(self) -> None:
        """Drop everything where too much has waited for too long."""
        if len(self._clients) > MOST_WAITING:
            self._begin()

    def save(self, store: Store) -> None:
        """Put the entries into the store's rankings, and take mended clients out.

        Raises:
            StoreError: The store failed.
        """
        if not self._clients:
            return
        clients = list(self._clients)
        for start in range(0, len(clients), COUNTED):
            # In parts: a server counts a thousand in a millisecond, and all others wait.
            store.count_unique(clients[start : start + COUNTED])
        for name, entries in self._entries.items():
            highest = dict(heapq.nlargest(MAX_ENTRIES, entries.items(), key=lambda item: item[1]))
            gone = list(self._mended)[:RANKED] if name == "flagged" else []
            if highest or gone:
                store.rank(RANKINGS[name].stored, highest, gone)


def leave_rankings(store: Store, clients: Sequence[str]) -> None:
    """Take clients out of all rankings, and forget their courses.

    Raises:
        StoreError: The store failed.
    """
    store.drop_courses(clients)
    for ranking in RANKINGS.values():
        store.rank(ranking.stored, {}, clients)


def clear_rankings(store: Store) -> None:
    """Take all clients out of the rankings, and forget their courses.

    Raises:
        StoreError: The store failed.
    """
    store.clear_courses()
    for name in (*(ranking.stored for ranking in RANKINGS.values()), *FORMER):
        store.rank(name, {}, store.ranked(name, 0, 2 * RANKED)[0])
