"""Tally each day's requests by client, route and network, for the operators' report.

A flush adds the highest counts alone; the others wait here until they are among those, so that it
costs the same however many clients there are.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Final

from flask_irl.behaviour.site_counts import Marked, SiteCounts
from flask_irl.campaigns.newcomers import network_of
from flask_irl.stores.history import DAY, Tally, TallyName

MEASURES: Final = ("requests", "limited", "shadowed", "flagged", "by_app", "by_both")
"""What is counted of each client, route and network, and of the whole site."""
SITE: Final = "site"
"""Name of the tally of the whole site, whose members are measures."""
MOST_TOLD: Final = 100
"""Members of a tally that one flush adds."""
MOST_WAITING: Final = 5000
"""Members of a tally that wait; beyond it those with the lowest counts go."""

_network_of = lru_cache(10_000)(network_of)


class Tallies:
    """Hold counts until they are stored."""

    def __init__(self) -> None:
        self._waiting: dict[TallyName, Counter[str]] = {}

    def count(self, counted: SiteCounts) -> None:
        """Count observations."""
        day = counted.latest // DAY
        self._add(day, "client.requests", counted.clients)
        self._add(day, "route.requests", counted.routes)
        networks: Counter[str] = Counter()
        for client, times in counted.clients.items():
            networks[_network_of(client)] += times
        del networks[""]
        self._add(day, "network.requests", networks)
        self._add(day, SITE, {"requests": counted.routes.total()})
        for marked, times in counted.marked.items():
            for measure in measures_of(marked):
                self._add(day, f"client.{measure}", {marked.client: times})
                self._add(day, f"route.{measure}", {marked.route: times})
                self._add(day, SITE, {measure: times})
                network = _network_of(marked.client)
                if network:
                    self._add(day, f"network.{measure}", {network: times})

    def highest(self) -> dict[TallyName, Tally]:
        """Give what a flush is to add."""
        found: dict[TallyName, Tally] = {}
        for name, counts in self._waiting.items():
            if len(counts) <= MOST_TOLD:
                found[name] = dict(counts)
            else:
                found[name] = dict(heapq.nlargest(MOST_TOLD, counts.items(), key=itemgetter(1)))
        return found

    def remove(self, told: Mapping[TallyName, Tally]) -> None:
        """Remove what was stored."""
        for name, counts in told.items():
            left = self._waiting[name]
            for member in counts:
                del left[member]
            if not left:
                del self._waiting[name]

    def bound(self) -> None:
        """Drop the lowest counts where too many wait, and all but the latest days."""
        days = sorted({day for day, _ in self._waiting})[-2:]
        for name, counts in list(self._waiting.items()):
            if name[0] not in days:
                del self._waiting[name]
            elif len(counts) > MOST_WAITING:
                self._waiting[name] = Counter(dict(counts.most_common(MOST_WAITING // 2)))

    def _add(self, day: int, name: str, counts: Tally) -> None:
        if counts:
            self._waiting.setdefault((day, name), Counter()).update(counts)


def measures_of(marked: Marked) -> list[str]:
    """List the measures that requests out of the ordinary count for."""
    by_us = marked.limited or marked.shadowed
    found = {
        "limited": marked.limited,
        "shadowed": marked.shadowed,
        "flagged": marked.flagged,
        "by_app": marked.by_app,
        "by_both": marked.by_app and by_us,
    }
    return [measure for measure, counts in found.items() if counts]
