"""Count a site's observations for the store: in all, and by minute. Pure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from flask_irl.behaviour.observation import Fields

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


class SiteCounts(NamedTuple):
    """Hold the counts of some observations.

    Attributes:
        totals: ``requests``, ``refused``, ``anomalous``, and ``route:…``, ``hour:…``,
            ``weekday:…``, ``day:…``, none of them 0; hours and days in UTC.
        minutes: Counts by minute since the epoch.
    """

    totals: Counter[str]
    minutes: dict[int, MinuteCounts]


def route_counts(totals: Mapping[str, int]) -> dict[str, int]:
    """Give the requests of each route among a site's counters, in their order."""
    return {name[len(ROUTE) :]: n for name, n in totals.items() if name.startswith(ROUTE)}


def count_observations(observations: Sequence[Fields]) -> SiteCounts:
    """Count observations for the store's counters."""
    alike: dict[tuple[str, float, bool, bool], int] = {}
    for observation in observations:
        kind = (observation[3], observation[1] // 60, observation[8], observation[10])
        alike[kind] = alike.get(kind, 0) + observation[9]
    totals: Counter[str] = Counter()
    requests: Counter[int] = Counter()
    refusals: Counter[int] = Counter()
    for (route, whole, refused, anomalous), times in alike.items():
        minute = int(whole)
        totals[ROUTE + route] += times
        requests[minute] += times
        if refused:
            refusals[minute] += times
        if anomalous:
            totals["anomalous"] += times
    for minute, times in requests.items():
        moment = time.gmtime(minute * 60)
        totals["requests"] += times
        totals[f"hour:{moment.tm_hour}"] += times
        totals[f"weekday:{moment.tm_wday}"] += times
        totals[f"day:{minute // 1440}"] += times
    if refusals:
        totals["refused"] += refusals.total()
    minutes = {m: MinuteCounts(times, refusals[m]) for m, times in requests.items()}
    return SiteCounts(totals, minutes)
