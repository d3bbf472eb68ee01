"""Learn the statistics of a site from its counters and training rows; models hold them. Pure.

The tables are ready for JSON: ``routes``, ``hours``, ``weekdays``, ``paces``, ``usual``, ``began``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Container, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import FEATURES
from flask_irl.behaviour.site_counts import route_counts

MAX_ROUTES: Final = 1000
DAYS_FOR_HOURS: Final = 7
DAYS_FOR_WEEKDAYS: Final = 28
MAX_RARITY: Final = 3.0
MACHINE_PACE: Final = 40.0
"""Requests a minute that no person sends for long."""
MACHINE_ROWS: Final = 3
"""Least rows at such a pace on a route of machines: a single one may be a person's haste."""
MACHINE_SHARE: Final = 0.5
"""Least share of the requests there that came at such a pace."""
KNOWN_SHARE: Final = 0.25
"""Least share on a route that counted so before: near the other one it would come and go, with each
training, and a job would lose its excuse in the midst of its work."""
HIGH_QUANTILE: Final = 0.95


def learn_site(counts: Mapping[str, int]) -> dict[str, Any]:
    """Learn the share of each route, and the rarity of each hour and weekday.

    An hour or weekday counts as unusual only after enough days.

    Args:
        counts: The store's counters, with ``route:…``, ``hour:…``, ``weekday:…``, ``day:…``.

    Returns:
        ``routes`` (shares), ``hours`` (24) and ``weekdays`` (7) rarities in nats, ready for JSON.
    """
    routes = route_counts(counts)
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
    """Look up the rarity of requests at this hour (UTC), in nats, 0 to 3."""
    return _entry(site.get("hours"), time.gmtime(at).tm_hour)


def weekday_rarity(site: Mapping[str, Any], at: float) -> float:
    """Look up the rarity of requests on this weekday (UTC), in nats, 0 to 3."""
    return _entry(site.get("weekdays"), time.gmtime(at).tm_wday)


def learn_paces(
    routes: NDArray[np.uint32], rates: NDArray[np.float32], known: Container[str] = ()
) -> dict[str, float]:
    """Learn the routes that machines use, and their pace: the median rate of their fast rows.

    People and slow programs may use the same routes, even in more rows; most of the requests come
    from machines all the same.

    Args:
        routes: Hashes of the rows' routes.
        rates: The rows' requests in a minute.
        known: Hashes of the routes that counted as those of machines before.

    Returns:
        Requests a minute by hash, ready for JSON.
    """
    paces: dict[str, float] = {}
    for route in np.unique(routes):
        here = rates[routes == route]
        fast = here[here >= MACHINE_PACE]
        share = KNOWN_SHARE if str(route) in known else MACHINE_SHARE
        if len(fast) >= MACHINE_ROWS and fast.sum() >= share * here.sum():
            paces[str(route)] = round(float(np.median(fast)), 1)
    return paces


def expected_pace(site: Mapping[str, Any], route: int) -> float:
    """Look up the usual pace of machines on a route, by its hash, in requests a minute; else 0."""
    return float(site.get("paces", {}).get(str(route), 0.0))


def likely_pace(site: Mapping[str, Any], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Look up the usual pace of machines on the routes that clients ask for most, by their bins.

    Args:
        site: The learned tables.
        bins: The clients' requests by bins of their routes, one row a client.

    Returns:
        Requests a minute, one entry a client; that of the fastest such route of the bin, or 0.
    """
    by_bin = np.zeros(bins.shape[1])
    for route, pace in site.get("paces", {}).items():
        place = int(route) % len(by_bin)
        by_bin[place] = max(by_bin[place], float(pace))
    paces: NDArray[np.float64] = by_bin[bins.argmax(axis=1)]
    return paces


def usual_values(rows: NDArray[np.float32]) -> dict[str, list[float]]:
    """Compute the median and the high quantile of each feature over training rows."""
    quantiles = np.quantile(rows.astype(np.float64), [0.5, HIGH_QUANTILE], axis=0)
    return {
        feature.name: [round(float(q), 6) for q in quantiles[:, column]]
        for column, feature in enumerate(FEATURES)
    }


def usual_median(site: Mapping[str, Any], feature: str) -> float:
    """Look up the median of a feature over the site's rows; 0 where nothing was learned."""
    values = site.get("usual", {}).get(feature)
    return float(values[0]) if values else 0.0


def machine_share(site: Mapping[str, Any], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the share of each client's requests that falls on bins of routes of machines.

    Args:
        site: The learned tables.
        bins: The clients' requests by bins of their routes, one row a client.
    """
    machines = sorted({int(route) % bins.shape[1] for route in site.get("paces", {})})
    share: NDArray[np.float64] = bins[:, machines].sum(axis=1) / np.maximum(bins.sum(axis=1), 1e-3)
    return share


def began_at(site: Mapping[str, Any], default: float) -> float:
    """Look up the time at which learning the site began, in seconds since the epoch."""
    began = site.get("began")
    return float(began) if isinstance(began, (int, float)) else default


def _entry(table: Any, index: int) -> float:
    return float(table[index]) if isinstance(table, list) and index < len(table) else 0.0


def _rarities(counts: list[int], evidence: float) -> list[float]:
    total = sum(counts)
    if not total:
        return [0.0] * len(counts)
    trust = min(1.0, evidence)
    usual = (total + len(counts)) / len(counts)
    return [trust * min(MAX_RARITY, max(0.0, math.log(usual / (count + 1.0)))) for count in counts]
