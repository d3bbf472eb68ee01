"""Describe a strategy: the state of one limit, and the answer to one request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

Cell = tuple[float, int, int]
"""State of one limit: a window's start in µs, the requests of that window, and those of the window
before. For GCRA: the theoretical arrival time in whole µs, its fraction in 2**-32 µs, and the µs of
it that are of requests counted ahead and may be given back."""
EMPTY: Final[Cell] = (0.0, 0, 0)

FRACTION: Final = 2.0**32
"""Parts of a µs: a double holds µs since the epoch only to a quarter, and the errors of a burst's
requests would add up."""


class Probe(NamedTuple):
    """Hold a strategy's answer to one request.

    Attributes:
        admitted: True if the limit has room.
        cell: The cell with the request counted; meaningful when admitted.
        remaining: Requests left, after this one if it is admitted.
        reset_after: µs until the window ends (GCRA: until the limit is whole again).
        retry_after: µs until the same request has room, 0 when admitted.
    """

    admitted: bool
    cell: Cell
    remaining: int
    reset_after: float
    retry_after: float


Strategy = Callable[[Cell, float, int, float, int, int], Probe]
"""``(cell, now, amount, window, burst, cost)``; ``now`` and ``window`` in µs."""
