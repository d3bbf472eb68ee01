"""Show the site live: its traffic, its store, and the clients that matter now."""

from __future__ import annotations

from typing import Final, TypedDict

from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.clients import ClientOperations
from flask_irl.operations.history import read_history
from flask_irl.operations.incidents import IncidentState, read_incidents
from flask_irl.operations.results import ClientEntry
from flask_irl.operations.status import Status, StatusOperations

SECONDS: Final = 60
"""Seconds of traffic that are shown."""


class Top(TypedDict):
    """Describe the site as of now; what only the store knows is None while it doesn't answer.

    Members:
        at: The present, in seconds since the epoch.
        status: As of ``irl status``.
        requests: Requests of each of the last sixty seconds, the earliest first.
        refused: Refused ones of those.
        incidents: Attacks that go on.
        clients: Clients of a ranking.
        total: The number of all clients of it.
    """

    at: float | None
    status: Status
    requests: list[int] | None
    refused: list[int] | None
    incidents: list[IncidentState] | None
    clients: list[ClientEntry] | None
    total: int | None


def read_top(
    limiter: Limiter,
    status: StatusOperations,
    clients: ClientOperations,
    order: str,
    limit: int,
) -> Top:
    """Read what is shown live.

    Args:
        limiter: The limiter.
        status: Describes the site.
        clients: Lists clients.
        order: A ranking, as of ``irl clients``.
        limit: Clients that are listed at most.

    Raises:
        ConfigurationError: There is no such ranking.
        StoreError: The store failed after it had answered.
    """
    told = status.read()
    if not told["store"]["answers"]:
        return {
            "at": None,
            "status": told,
            "requests": None,
            "refused": None,
            "incidents": None,
            "clients": None,
            "total": None,
        }
    history = read_history(limiter.store, "5m")
    counts = history["counts"]
    pairs = zip(counts["limited"], counts["blocked"], strict=True)
    refused = [limited + blocked for limited, blocked in pairs]
    entries, total = clients.ranked(order=order, limit=limit)
    incidents, _ = read_incidents(limiter.store)
    return {
        "at": history["until"],
        "status": told,
        "requests": history["requests"][-SECONDS:],
        "refused": refused[-SECONDS:],
        "incidents": [incident for incident in incidents if incident["until"] is None],
        "clients": entries,
        "total": total,
    }
