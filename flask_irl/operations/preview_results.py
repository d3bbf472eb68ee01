"""Describe the results of previews, as results.py does."""

from __future__ import annotations

from typing import TypedDict


class Affected(TypedDict):
    """Describe a client that a change would have touched in the last day.

    Members:
        score: Its lowest score, 0 to -1.
        at: Beginning of the five minutes in which it had that, in seconds since the epoch.
        requests: Its requests.
        refused: Those that would have been refused; 0 in a preview of a threshold.
    """

    client: str
    label: str | None
    score: float
    at: float
    requests: int
    refused: int


class ThresholdPreview(TypedDict):
    """Describe another threshold's consequences over the last day.

    Members:
        clients: Clients whose courses are kept, and that it was computed over.
        flagged: Those that were flagged.
        more: Clients that would have been flagged as well, the lowest scores first, fifty at most.
        more_total: Number of all those.
        fewer: Flagged clients that the new threshold alone would not have flagged, fifty at most.
        fewer_total: Number of all those.
    """

    threshold: float
    present: float
    clients: int
    flagged: int
    more: list[Affected]
    more_total: int
    fewer: list[Affected]
    fewer_total: int


class LimitPreview(TypedDict):
    """Describe other limits' consequences over the last day.

    Members:
        limits: The limits.
        clients: Clients whose courses are kept, and that it was computed over.
        refused_clients: Those that would have been refused something.
        refused_requests: Requests that would have been refused.
        present_clients, present_requests: The same under the limits in force.
        affected: Those clients, most refused first, fifty at most.
    """

    limits: list[str]
    clients: int
    refused_clients: int
    refused_requests: int
    present_clients: int
    present_requests: int
    affected: list[Affected]


class RoutePreview(LimitPreview):
    """Describe the consequences of other limits of routes over the last day.

    Members:
        scope: Name of the scope of their requests.
        routes: Routes whose requests count in it.
        routes_kept: Those of which courses are kept; the others count as none.
    """

    scope: str
    routes: int
    routes_kept: int


class AssignmentPreview(TypedDict):
    """Describe the consequences of another plan for one client over the last day.

    Members:
        plan: The plan.
        kept: Whether a course of the client is kept; else all else is 0.
        requests: Its requests.
        refused_requests: Those that the plan would have refused.
        present_plan: Its plan now; None for the base limit, or where only the app tells it.
        present_requests: Those that its limits now would have refused.
    """

    plan: str
    kept: bool
    requests: int
    refused_requests: int
    present_plan: str | None
    present_requests: int
