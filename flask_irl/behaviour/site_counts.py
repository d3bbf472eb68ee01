"""Describe a site's counters in the store: in all, and by minute. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

ROUTE: Final = "route:"
"""Begins the names of the counters of routes."""


class MinuteCounts(NamedTuple):
    """Count the requests of one minute.

    Attributes:
        requests: Requests to limited routes, refused ones included.
        refused: Refused requests.
    """

    requests: int
    refused: int

    def plus(self, other: MinuteCounts) -> MinuteCounts:
        """Add other requests of the same minute."""
        return MinuteCounts(self.requests + other.requests, self.refused + other.refused)


def route_counts(totals: Mapping[str, int]) -> dict[str, int]:
    """Give the requests of each route among a site's counters, in their order."""
    return {name[len(ROUTE) :]: n for name, n in totals.items() if name.startswith(ROUTE)}
