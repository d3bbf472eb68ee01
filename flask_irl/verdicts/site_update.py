"""Gather the part of a flush that concerns the site as a whole, to store it once at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from flask_irl.behaviour.observation import Fields
from flask_irl.behaviour.site_counts import MinuteCounts, count_observations
from flask_irl.stores.base import Store
from flask_irl.stores.site import MINUTES_KEPT
from flask_irl.verdicts.rankings import Rankings


@dataclass(frozen=True, slots=True)
class SiteUpdate:
    """Gather counters, training rows and rankings of a flush."""

    counts: Counter[str] = field(default_factory=Counter)
    minutes: dict[int, MinuteCounts] = field(default_factory=dict)
    rows: list[bytes] = field(default_factory=list)
    rankings: Rankings = field(default_factory=Rankings)

    def count(self, observations: Sequence[Fields]) -> None:
        """Count observations."""
        counted = count_observations(observations)
        self.counts.update(counted.totals)
        for minute, counts in counted.minutes.items():
            before = self.minutes.get(minute)
            self.minutes[minute] = counts if before is None else counts.plus(before)

    def bound(self, rows_capacity: int) -> None:
        """Drop the oldest of what has waited for too long, while the store is out.

        Args:
            rows_capacity: The largest number of training rows in the store.
        """
        del self.rows[:-rows_capacity]
        for minute in sorted(self.minutes)[:-MINUTES_KEPT]:
            del self.minutes[minute]
        self.rankings.bound()

    def save(self, store: Store, rows_capacity: int) -> None:
        """Save all of it.

        Args:
            store: The store.
            rows_capacity: The largest number of training rows in the store.

        Raises:
            StoreError: The store failed; only the part not saved is left here.
        """
        if self.rows:
            store.add_rows(list(self.rows), rows_capacity)
            self.counts["rows"] += len(self.rows)
            self.rows.clear()
        store.add_counts(dict(self.counts), dict(self.minutes))
        self.counts.clear()
        self.minutes.clear()
        self.rankings.save(store)
