"""List attacks as incidents: when, what kind, how many clients, and what they got."""

from __future__ import annotations

from typing import Final, TypedDict

from flask_irl.campaigns.incident import KEPT, WORDS, Incident, decode, is_shown
from flask_irl.stores.base import Store
from flask_irl.verdicts.incident_watch import INCIDENTS

COLUMNS: Final = (
    *("id", "kind", "common", "target", "since", "until", "clients", "requests", "refused"),
    *("fine", "denied", "missing", "other", "examples"),
)
"""Members of an incident, in order, for tables."""


class IncidentState(TypedDict):
    """Describe an incident.

    Members:
        kind: Such as ``guessing``; ``common`` is the same in words.
        target: Route or network of a campaign, and the sort of its clients; else empty.
        since: Beginning, in seconds since the epoch.
        until: End; None while it goes on.
        clients: Clients that were part of it, about.
        requests: Their requests.
        refused: Those of them that were refused.
        fine: Those answered below 400.
        denied: Those answered 401 or 403.
        missing: Those answered 404.
        other: Those answered otherwise.
        examples: Some of the clients.
    """

    id: str
    kind: str
    common: str
    target: str
    since: float
    until: float | None
    clients: int
    requests: int
    refused: int
    fine: int
    denied: int
    missing: int
    other: int
    examples: list[str]


def read_incidents(
    store: Store, offset: int = 0, limit: int = KEPT
) -> tuple[list[IncidentState], int]:
    """List incidents, the latest first, and count them.

    Args:
        store: The store.
        offset: The number of incidents to skip.
        limit: The number of incidents to return at most.

    Raises:
        StoreError: The store failed.
    """
    _, data = store.table(INCIDENTS)
    now = store.now()
    found = [incident for incident in decode(data) if is_shown(incident)]
    return [_state_of(incident, now) for incident in found[offset : offset + limit]], len(found)


def _state_of(incident: Incident, now: float) -> IncidentState:
    return {
        "id": incident.id,
        "kind": incident.kind,
        "common": WORDS[incident.kind],
        "target": incident.target,
        "since": incident.since,
        "until": incident.ends_at(now) or None,
        "clients": incident.clients,
        "requests": incident.requests,
        "refused": incident.refused,
        "fine": incident.fine,
        "denied": incident.denied,
        "missing": incident.missing,
        "other": incident.other,
        "examples": list(incident.examples),
    }
