"""Count a site's observations for the store: in all, and by minute. Pure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from flask_irl.behaviour.observation import Fields
from flask_irl.behaviour.rollups import PLACE, Seconds, answer_kind, latency_place

ROUTE: Final = "route:"
"""Begins the names of the counters of routes."""
TOO_MANY: Final = 429
REFUSING: Final = frozenset({"limited", "blocked"})


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


class Marked(NamedTuple):
    """Describe requests of which something is out of the ordinary.

    Attributes:
        client: Their client.
        route: Their route.
        limited: Whether they were refused.
        shadowed: Whether shadow mode admitted them, though the client's step would not have.
        flagged: Whether the client was at a lower step.
        by_app: Whether the app itself answered 429, such as by another limiter.
    """

    client: str
    route: str
    limited: bool
    shadowed: bool
    flagged: bool
    by_app: bool


class SiteCounts(NamedTuple):
    """Hold the counts of some observations.

    Attributes:
        totals: ``requests``, ``refused``, ``anomalous``, and ``route:…``, ``hour:…``,
            ``weekday:…``, ``day:…``, none of them 0; hours and days in UTC.
        minutes: Counts by minute since the epoch.
        clients: Requests by client.
        routes: Requests by route.
        marked: Counts of the requests that are out of the ordinary.
        latest: The latest second, since the epoch.
    """

    totals: Counter[str]
    minutes: dict[int, MinuteCounts]
    clients: dict[str, int]
    routes: Counter[str]
    marked: Counter[Marked]
    latest: int


def route_counts(totals: Mapping[str, int]) -> dict[str, int]:
    """Give the requests of each route among a site's counters, in their order."""
    return {name[len(ROUTE) :]: n for name, n in totals.items() if name.startswith(ROUTE)}


def count_observations(observations: Sequence[Fields], seconds: Seconds) -> SiteCounts:
    """Count observations for the store's counters.

    Args:
        observations: The observations.
        seconds: Takes the counts of single seconds.
    """
    alike: dict[tuple[str, float, str, bool, int, bool], int] = {}
    latencies: dict[tuple[float, int], int] = {}
    clients: dict[str, int] = {}
    marked: Counter[Marked] = Counter()
    for observation in observations:
        client, at, _, route, _, _, status, _, refused, times, flagged, *_ = observation
        outcome, answered, latency = observation[12], observation[13], observation[14]
        if refused and outcome == "allowed":
            outcome = "limited"
        kind = (route, at // 1, outcome, flagged, status, answered)
        alike[kind] = alike.get(kind, 0) + times
        clients[client] = clients.get(client, 0) + times
        if latency >= 0.0:
            place = (at // 1, latency_place(latency))
            latencies[place] = latencies.get(place, 0) + times
        if flagged or status == TOO_MANY or outcome != "allowed":
            shadowed = outcome == "shadow_limited"
            by_app = status == TOO_MANY and (answered or not refused)
            marked[Marked(client, route, refused, shadowed, flagged, by_app)] += times
    for (second, at_place), times in latencies.items():
        seconds.add(int(second), at_place, times)
    totals: Counter[str] = Counter()
    requests: Counter[int] = Counter()
    refusals: Counter[int] = Counter()
    routes: Counter[str] = Counter()
    latest = 0
    for (route, whole, outcome, flagged, status, answered), times in alike.items():
        second = int(whole)
        minute, refused = second // 60, outcome in REFUSING
        latest = max(latest, second)
        routes[route] += times
        requests[minute] += times
        seconds.add(second, PLACE[outcome], times)
        if refused:
            refusals[minute] += times
        if status == TOO_MANY and (answered or not refused):
            seconds.add(second, PLACE["refused_by_app"], times)
        if flagged:
            totals["anomalous"] += times
            seconds.add(second, PLACE["flagged"], times)
            if not refused:
                seconds.add(second, PLACE[f"flagged_{answer_kind(status)}"], times)
    for route, times in routes.items():
        totals[ROUTE + route] = times
    for minute, times in requests.items():
        moment = time.gmtime(minute * 60)
        totals["requests"] += times
        totals[f"hour:{moment.tm_hour}"] += times
        totals[f"weekday:{moment.tm_wday}"] += times
        totals[f"day:{minute // 1440}"] += times
    if refusals:
        totals["refused"] += refusals.total()
    minutes = {m: MinuteCounts(times, refusals[m]) for m, times in requests.items()}
    return SiteCounts(totals, minutes, clients, routes, marked, latest)
