"""Define the protocol of clients' recent requests, a bounded number of them, and read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from flask_irl.behaviour.recent import MOST_METHOD, MOST_ROUTE, RecentRequest
from flask_irl.stored import is_number, read_json

RECENT_SECONDS: Final = 3600
"""Time for which a request is kept."""
RECENT_CLIENTS: Final = 5000
"""Clients whose requests are kept: those that came last."""

OUTCOME: Final = re.compile("[a-z_]{1,30}")
LATEST: Final = 1e11
"""A time later than any, in seconds since the epoch."""

RecentRequests = Mapping[str, Sequence[RecentRequest]]
"""Requests by client, the oldest first; none is empty."""


class RecentBounds(NamedTuple):
    """Bound the requests that are kept.

    Attributes:
        each: Requests of each client, 1 or more.
        clients: Clients.
        seconds: Age of a request.
    """

    each: int
    clients: int = RECENT_CLIENTS
    seconds: int = RECENT_SECONDS


class RecentStore(Protocol):
    """Keep clients' recent requests; off every request's path.

    ``forget`` and ``forget_all`` of a store forget them, too. Every method may raise
    :class:`~flask_irl.errors.StoreError`.
    """

    def add_recent(self, requests: RecentRequests, bounds: RecentBounds) -> None:
        """Add requests of clients; those that are too many or too old are dropped.

        Args:
            requests: The requests.
            bounds: The bounds.
        """

    def recent(self, client: str) -> list[bytes]:
        """Read the encoded requests of a client, the latest first."""


def decode(data: bytes) -> RecentRequest:
    """Decode a request.

    Raises:
        ValueError: It is none.
    """
    members: Any = read_json(data)
    if not (isinstance(members, list) and len(members) >= len(RecentRequest._fields)):
        raise ValueError("it is of another form")
    at, method, route, status, outcome, times = members[: len(RecentRequest._fields)]
    if not all(is_number(x) and 0 <= x < LATEST for x in (at, status, times)):
        raise ValueError("a figure is none")
    if not all(isinstance(x, str) for x in (method, route, outcome)):
        raise ValueError("a text is none")
    if not OUTCOME.fullmatch(outcome):
        raise ValueError("there is no such outcome")
    method, route = method[:MOST_METHOD], route[:MOST_ROUTE]
    return RecentRequest(float(at), method, route, int(status), outcome, max(int(times), 1))
