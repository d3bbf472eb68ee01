"""Describe the recent requests of a client, of which a bounded number may be kept. Pure.

Neither path nor query, body or user agent is part of them: the route is the app's own rule.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from flask_irl.behaviour.observation import Fields

MOST_KEPT: Final = 100
"""Requests of a client that may be kept at most."""
MOST_METHOD: Final = 20
MOST_ROUTE: Final = 200
"""Characters of a method and a route that are kept."""


class RecentRequest(NamedTuple):
    """Describe an answered request.

    Attributes:
        at: Time in seconds since the epoch.
        method: The HTTP method.
        route: The matched route's rule, or ``unmatched``.
        status: The response's status.
        outcome: Outcome of the decision on it.
        times: The number of such requests that it stands for, 1 or more.
    """

    at: float
    method: str
    route: str
    status: int
    outcome: str
    times: int

    def encode(self) -> bytes:
        """Encode it for the store; its time comes first."""
        return json.dumps([round(self.at, 3), *self[1:]]).encode()


def recent_of(fields: Fields) -> RecentRequest:
    """Take from an observation all that is kept of it."""
    _, at, _, route, _, method, status, _, _, times, _, _, outcome, _, _, _ = fields
    return RecentRequest(at, method[:MOST_METHOD], route[:MOST_ROUTE], status, outcome, times)
