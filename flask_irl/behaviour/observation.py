"""Describe an answered request, as profiles are made of it."""

from __future__ import annotations

from typing import Final, NamedTuple

BY_NAME: Final = 0
NO_LOGIN: Final = 1
LOGIN: Final = 2
FAILED_LOGIN: Final = 3
"""Word on whether a request logs in: as its route's name tells, as the app says of its route, or as
the app says of the request itself: it failed, whatever it was answered with."""


class Observation(NamedTuple):
    """Describe one answered request; merged into its client's profile off the request's path.

    Attributes:
        client: The client's key, as stored.
        at: Seconds since the epoch, by the store's clock.
        gap: Seconds since the client's previous request, or -1.
        route: The matched route's rule, or ``"unmatched"``.
        path: A hash of the request's path, 0 to 2**63 - 1; the same in every process.
        method: The HTTP method.
        status: The response's status.
        size: The response's size in bytes, or -1 if unknown.
        refused: Whether the limiter refused it.
        times: The number of such requests that it stands for, 1 or more.
        anomalous: Whether the client was at a lower step.
        login: Whether it logs in: ``BY_NAME``, ``NO_LOGIN``, ``LOGIN`` or ``FAILED_LOGIN``.
        outcome: Outcome of the decision on it, as of :class:`~flask_irl.limits.decision.Decision`.
        answered: Whether the app had answered it before it was decided on.
        seconds: Time that the decision took; -1 if unknown.
        plan: Name of the client's rate plan, by which it was decided; empty for none.
    """

    client: str
    at: float
    gap: float
    route: str
    path: int
    method: str
    status: int
    size: int
    refused: bool
    times: int = 1
    anomalous: bool = False
    login: int = BY_NAME
    outcome: str = "allowed"
    answered: bool = False
    seconds: float = -1.0
    plan: str = ""


Fields = tuple[
    str, float, float, str, int, str, int, int, bool, int, bool, int, str, bool, float, str
]
"""Fields of an :class:`Observation` in the buffer: a plain tuple is quick to make, and the garbage
collector soon stops tracking it."""

CLIENT: Final = 0
AT: Final = 1
ROUTE: Final = 3
"""Places of fields."""
