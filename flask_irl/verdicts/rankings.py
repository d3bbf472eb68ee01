"""Rank clients for operators: the most active, refused, anomalous, and the flagged ones."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.stores.base import Store
from flask_irl.stores.site import RANKED

RANKINGS: Final = ("active", "anomalous", "refused", "flagged")
"""Names of the rankings that flushes keep up."""
MAX_ENTRIES: Final = 50
"""Clients that one flush puts into each ranking at most, however many it judges."""


class Rankings:
    """Gather the entries of one flush."""

    def __init__(self) -> None:
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
            if len(chosen) > MAX_ENTRIES:
                chosen = chosen[np.argpartition(-value[chosen], MAX_ENTRIES)[:MAX_ENTRIES]]
            self._entries[name].update({clients[i]: float(value[i]) for i in chosen.tolist()})
        for index in np.flatnonzero(steps > 0).tolist():
            self._mended.pop(clients[index], None)

    def save(self, store: Store) -> None:
        """Put the entries into the store's rankings, and take mended clients out.

        Raises:
            StoreError: The store failed.
        """
        if not self._clients:
            return
        store.count_unique(list(self._clients))
        for name, entries in self._entries.items():
            highest = dict(heapq.nlargest(MAX_ENTRIES, entries.items(), key=lambda item: item[1]))
            gone = list(self._mended)[:RANKED] if name == "flagged" else []
            if highest or gone:
                store.rank(name, highest, gone)


def clear_rankings(store: Store) -> None:
    """Take all clients out of the rankings.

    Raises:
        StoreError: The store failed.
    """
    for name in RANKINGS:
        store.rank(name, {}, store.ranked(name, 0, 2 * RANKED)[0])
