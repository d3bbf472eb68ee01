"""What is usual on a site as a whole: learned from its counters, kept with each model. Pure."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import FEATURES
from flask_irl.behaviour.observation import Fields

MAX_ROUTES: Final = 1000
DAYS_FOR_HOURS: Final = 7
DAYS_FOR_WEEKDAYS: Final = 28
MOST_RARITY: Final = 3.0
MACHINE_PACE: Final = 40.0
"""Requests a minute that no person keeps up."""
HIGH_QUANTILE: Final = 0.95


def count(observations: Sequence[Fields]) -> Counter[str]:
    """What observations add to the store's counters.

    Returns:
        ``requests``, ``refused``, ``anomalous``, and ``route:…``, ``hour:…``, ``weekday:…``,
        ``day:…`` of those that there were; hours and days in UTC.
    """
    totals: Counter[str] = Counter()
    hours: Counter[int] = Counter()
    for _, at, _, route, *_, refused, times, anomalous in observations:
        totals["requests"] += times
        totals[f"route:{route}"] += times
        hours[int(at // 3600)] += times
        if refused:
            totals["refused"] += times
        if anomalous:
            totals["anomalous"] += times
    for hour, times in hours.items():
        moment = time.gmtime(hour * 3600)
        totals[f"hour:{moment.tm_hour}"] += times
        totals[f"weekday:{moment.tm_wday}"] += times
        totals[f"day:{hour // 24}"] += times
    return totals


def learn_site(counts: Mapping[str, int]) -> dict[str, Any]:
    """The tables of a site: each route's share, and how quiet each hour and weekday is.

    An hour or weekday counts as unusual only after enough days were seen to tell.

    Args:
        counts: The store's counters, with ``route:…``, ``hour:…``, ``weekday:…``, ``day:…``.

    Returns:
        ``routes`` (shares), ``hours`` (24) and ``weekdays`` (7) rarities in nats, ready for JSON.
    """
    routes = {name[6:]: n for name, n in counts.items() if name.startswith("route:")}
    total = sum(routes.values())
    most = sorted(routes, key=lambda r: -routes[r])[:MAX_ROUTES]
    days = sum(1 for name in counts if name.startswith("day:"))
    return {
        "routes": {route: routes[route] / total for route in most} if total else {},
        "hours": _rarities([counts.get(f"hour:{h}", 0) for h in range(24)], days / DAYS_FOR_HOURS),
        "weekdays": _rarities(
            [counts.get(f"weekday:{d}", 0) for d in range(7)], days / DAYS_FOR_WEEKDAYS
        ),
    }


def hour_rarity(site: Mapping[str, Any], at: float) -> float:
    """How quiet the site usually is at this hour (UTC), in nats, 0 to 3."""
    return _at(site.get("hours"), time.gmtime(at).tm_hour)


def weekday_rarity(site: Mapping[str, Any], at: float) -> float:
    """How quiet the site usually is on this day of the week (UTC), in nats, 0 to 3."""
    return _at(site.get("weekdays"), time.gmtime(at).tm_wday)


def learn_paces(routes: NDArray[np.uint32], rates: NDArray[np.float32]) -> dict[str, float]:
    """The routes that machines work on, and how fast: half of their clients' rows show less.

    Args:
        routes: Hashes of the rows' routes.
        rates: The rows' requests in a minute.

    Returns:
        Requests a minute by hash, ready for JSON.
    """
    found: dict[str, float] = {}
    for route in np.unique(routes):
        pace = float(np.median(rates[routes == route]))
        if pace >= MACHINE_PACE:
            found[str(route)] = round(pace, 1)
    return found


def expected_pace(site: Mapping[str, Any], route: int) -> float:
    """How fast machines usually work on a route, in requests a minute; 0 where people do."""
    return float(site.get("paces", {}).get(str(route), 0.0))


def usual_values(rows: NDArray[np.float32]) -> dict[str, list[float]]:
    """The median and high quantile of each feature over training rows, ready for JSON."""
    quantiles = np.quantile(rows.astype(np.float64), [0.5, HIGH_QUANTILE], axis=0)
    return {
        feature.name: [round(float(q), 6) for q in quantiles[:, column]]
        for column, feature in enumerate(FEATURES)
    }


def usual_median(site: Mapping[str, Any], feature: str) -> float:
    """What half of the site's rows don't exceed; 0 where nothing was learned."""
    values = site.get("usual", {}).get(feature)
    return float(values[0]) if values else 0.0


def machine_share(site: Mapping[str, Any], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Which share of each client's requests is for routes that machines work on, or looks so.

    Args:
        site: The learned tables.
        bins: The clients' requests by the remainder of their routes' hashes, one row a client.
    """
    machines = sorted({int(route) % bins.shape[1] for route in site.get("paces", {})})
    share: NDArray[np.float64] = bins[:, machines].sum(axis=1) / np.maximum(bins.sum(axis=1), 1e-3)
    return share


def began_at(site: Mapping[str, Any], default: float) -> float:
    """When the site began to be learned, in seconds since the epoch."""
    began = site.get("began")
    return float(began) if isinstance(began, (int, float)) else default


def _at(table: Any, index: int) -> float:
    return float(table[index]) if isinstance(table, list) and index < len(table) else 0.0


def _rarities(counts: list[int], seen: float) -> list[float]:
    total = sum(counts)
    if not total:
        return [0.0] * len(counts)
    trust = min(1.0, seen)
    usual = (total + len(counts)) / len(counts)
    return [trust * min(MOST_RARITY, max(0.0, math.log(usual / (count + 1.0)))) for count in counts]
