"""Describe an answered request, as the profile learns from it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Observation(NamedTuple):
    """What is learned from one answered request; goes to the profile off the request's path.

    Attributes:
        client: The client's key, as stored.
        at: Seconds since the epoch, by the store's clock.
        gap: Seconds since the client's previous request, or -1.
        route: The matched route's rule, or ``"unmatched"``.
        path: A hash of the path asked for, 0 to 2**63 - 1; stable across processes.
        method: The HTTP method.
        status: The response's status.
        size: The response's size in bytes, or -1 when unknown.
        refused: Whether the limiter refused it.
        times: How many such requests this stands for.
        anomalous: Whether the client was at a lower step.
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


Fields = tuple[str, float, float, str, int, str, int, int, bool, int, bool]
"""An :class:`Observation` as it waits: a plain tuple, which the garbage collector soon leaves
alone."""
AT: Final = 1

ROUTE: Final = 3
"""Places in it."""
