"""The rankings that operators ask for: the most active, refused, anomalous and flagged clients."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.stores.base import Store
from flask_irl.stores.site import RANKED

AT_ONCE: Final = 50
"""Clients that one flush may put into each ranking: it costs the same however many there are."""


class Rankings:
    """What one flush found out about its clients' places."""

    def __init__(self) -> None:
        self._clients: set[str] = set()
        self._places: dict[str, dict[str, float]] = {
            name: {} for name in ("active", "refused", "anomalous", "flagged")
        }
        self._mended: dict[str, None] = {}

    def note(
        self,
        clients: Sequence[str],
        records: profile.Records,
        scores: NDArray[np.float64],
        steps: NDArray[np.int64],
    ) -> None:
        """Take note of clients whose profiles were saved.

        Args:
            clients: Their keys.
            records: Their profiles.
            scores: Their smoothed scores.
            steps: Their steps from now on.
        """
        self._clients.update(clients)
        flagged = self._places["flagged"]
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
            if len(chosen) > AT_ONCE:
                chosen = chosen[np.argpartition(-value[chosen], AT_ONCE)[:AT_ONCE]]
            self._places[name].update({clients[i]: float(value[i]) for i in chosen.tolist()})
        for client in flagged:
            self._mended.pop(client, None)

    def keep(self, store: Store) -> None:
        """Put them into the store's.

        Raises:
            StoreError: The store failed.
        """
        if not self._clients:
            return
        store.count_unique(list(self._clients))
        for name, places in self._places.items():
            most = dict(heapq.nlargest(AT_ONCE, places.items(), key=lambda item: item[1]))
            gone = list(self._mended)[:RANKED] if name == "flagged" else []
            if most or gone:
                store.rank(name, most, gone)
