"""Count a site's observations for the store's counters, history and tallies. Pure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from flask_irl.behaviour.observation import Fields
from flask_irl.behaviour.rollups import (
    FIRST_LATENCY,
    LATENCIES,
    PLACE,
    Seconds,
    answer_kind,
)
from flask_irl.behaviour.site_counts import ROUTE, MinuteCounts

ALLOWED: Final = PLACE["allowed"]
TOO_MANY: Final = 429
MOST_SECONDS: Final = 300
"""Seconds whose latencies are told apart."""
REFUSING: Final = frozenset({"limited", "blocked"})


class Marked(NamedTuple):
    """Describe requests of which something is out of the ordinary.

    Attributes:
        client: Their client.
        route: Their route.
        limited: Whether they were refused.
        shadowed: Whether shadow mode admitted them, though the client's step would not have.
        flagged: Whether the client was at a lower step.
        by_app: Whether the app itself answered 429, such as by another limiter.
        plan: Their client's rate plan; empty for none.
    """

    client: str
    route: str
    limited: bool
    shadowed: bool
    flagged: bool
    by_app: bool
    plan: str = ""


class SiteCounts(NamedTuple):
    """Hold the counts of some observations.

    Attributes:
        totals: ``requests``, ``refused``, ``anomalous``, and ``route:…``, ``hour:…``,
            ``weekday:…``, ``day:…``, none of them 0; hours and days in UTC.
        minutes: Counts by minute since the epoch.
        routes: Requests by route.
        plans: Requests by rate plan, of those that were decided by one.
        marked: Counts of the requests that are out of the ordinary.
        latest: The latest second, since the epoch.
    """

    totals: Counter[str]
    minutes: dict[int, MinuteCounts]
    routes: Counter[str]
    plans: Counter[str]
    marked: Counter[Marked]
    latest: int


def count_observations(
    observations: Sequence[Fields], seconds: Seconds, clients: dict[str, int]
) -> SiteCounts:
    """Count observations for the store's counters.

    Args:
        observations: The observations.
        seconds: Takes the counts of single seconds.
        clients: Takes the requests of each client.
    """
    alike: dict[tuple[str, float, str, bool], int] = {}
    marked: dict[tuple[Marked, int, int], int] = {}
    plans: Counter[str] = Counter()
    for observation in observations:
        client, at, _, route, _, _, status, _, refused, times, flagged, _, outcome, *_ = observation
        plan = observation[15]
        if plan:
            plans[plan] += times
        kind = (route, at // 1, outcome, flagged)
        alike[kind] = alike.get(kind, 0) + times
        clients[client] = clients.get(client, 0) + times
        if flagged or status == TOO_MANY or outcome != "allowed":
            by_app = status == TOO_MANY and (observation[13] or not refused)
            shadowed = outcome == "shadow_limited"
            whose = Marked(client, route, refused, shadowed, flagged, by_app, plan)
            mark = (whose, int(at), status)
            marked[mark] = marked.get(mark, 0) + times
    _count_latencies(observations, seconds)
    totals: Counter[str] = Counter()
    requests: Counter[int] = Counter()
    refusals: Counter[int] = Counter()
    routes: Counter[str] = Counter()
    latest = 0
    for (route, whole, outcome, flagged), times in alike.items():
        second = int(whole)
        minute = second // 60
        latest = max(latest, second)
        routes[route] += times
        requests[minute] += times
        seconds.add(second, PLACE.get(outcome, ALLOWED), times)
        if outcome in REFUSING:
            refusals[minute] += times
        if flagged:
            totals["anomalous"] += times
            seconds.add(second, PLACE["flagged"], times)
    marks: Counter[Marked] = Counter()
    for (mark_of, second, status), times in marked.items():
        marks[mark_of] += times
        if mark_of.by_app:
            seconds.add(second, PLACE["refused_by_app"], times)
        if mark_of.flagged and not mark_of.limited:
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
    return SiteCounts(totals, minutes, routes, plans, marks, latest)


def _count_latencies(observations: Sequence[Fields], seconds: Seconds) -> None:
    latencies = np.array([observation[14] for observation in observations])
    known = np.flatnonzero(latencies >= 0.0)
    if not len(known):
        return
    ats = np.array([observation[1] for observation in observations])[known].astype(np.int64)
    times = np.array([observation[9] for observation in observations])[known]
    buckets = np.searchsorted(LATENCIES, latencies[known])
    first = int(ats.min())
    if int(ats.max()) - first > MOST_SECONDS:
        # One that waited for long tells nothing of its second any more.
        first = int(ats.max()) - MOST_SECONDS
        ats = np.maximum(ats, first)
    width = len(LATENCIES) + 1
    counts = np.bincount((ats - first) * width + buckets, weights=times)
    for place in np.flatnonzero(counts).tolist():
        second, bucket = divmod(place, width)
        seconds.add(first + second, FIRST_LATENCY + bucket, int(counts[place]))
