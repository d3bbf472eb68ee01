"""Describe the traffic of a client: the routes that it asks for, and its answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.behaviour.routes import route_bin
from flask_irl.behaviour.site_counts import route_counts
from flask_irl.behaviour.sums import Floats
from flask_irl.operations.results import Answers, RouteShare

MAX_ROUTES: Final = 5
MAX_NAMES: Final = 5
LEAST_SHARE: Final = 0.01


def routes_of(counts: Mapping[str, int]) -> list[str]:
    """List the routes of a site that were asked for, most first, by its counters."""
    routes = route_counts(counts)
    return sorted(routes, key=lambda route: (-routes[route], route))


def routes_beside(routes: list[str], route: str) -> list[str]:
    """List the other routes whose requests profiles count together with a route's."""
    return [other for other in routes if other != route and route_bin(other) == route_bin(route)]


def requests_for(records: profile.Records, route: str, now: float) -> Floats:
    """Count each client's requests of about ten minutes for a route, and routes beside it."""
    sums = profile.faded(records, now)
    return np.asarray(profile.view(sums, 0.0, 0.0).route_bins[:, route_bin(route)])


def asked_routes(record: profile.Records, routes: list[str], now: float) -> list[RouteShare]:
    """Describe the routes that a client asks for most, at most five.

    Args:
        record: The client's profile alone.
        routes: The site's routes, most asked for first.
        now: Seconds since the epoch.
    """
    bins = profile.view(profile.faded(record, now), 0.0, 0.0).route_bins[0]
    # Shares are those of its latest requests, however long ago.
    latest = profile.view(record, 0.0, 0.0).route_bins[0]
    total = float(latest.sum())
    names: dict[int, list[str]] = {}
    for route in routes:
        names.setdefault(route_bin(route), []).append(route)
    return [
        {
            "routes": names.get(place, [])[:MAX_NAMES],
            "share": round(float(latest[place]) / total, 4),
            "requests": round(float(bins[place]), 1),
        }
        for place in np.argsort(-latest, kind="stable")[:MAX_ROUTES].tolist()
        if latest[place] >= LEAST_SHARE * total > 0
    ]


def answers_of(record: profile.Records) -> Answers | None:
    """Describe the answers to a client's latest requests, as shares; None if there were none.

    Args:
        record: The client's profile alone.
    """
    view = profile.view(record, 0.0, 0.0)
    n = float(view["n"][0])
    if n < 1e-3:
        return None
    # Of requests and answers, the sums fade alike: what is left of the shares is the same.
    denied, missing, bad, failed, refused = (
        min(float(view[name][0]) / n, 1.0)
        for name in ("denied", "missing", "bad", "failed", "refused")
    )
    shares: Answers = {
        "refused": refused,
        "denied": denied,
        "missing": missing,
        "other_4xx": bad,
        "failed": failed,
        "fine": max(0.0, 1.0 - denied - missing - bad - failed - refused),
    }
    for name, share in shares.items():
        shares[name] = round(float(share), 4)  # type: ignore[literal-required, arg-type]
    return shares
