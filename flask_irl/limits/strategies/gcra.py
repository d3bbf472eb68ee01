"""Space requests evenly, with a burst at once."""

from __future__ import annotations

import math

from flask_irl.limits.strategies.base import FRACTION, Cell, Probe


def gcra(cell: Cell, now: float, amount: int, window: float, burst: int, cost: int) -> Probe:
    """Requests evenly spaced at ``amount`` per window, with ``burst`` of them at once."""
    if amount <= 0:
        return Probe(False, cell, 0, window, window)
    interval = window / amount
    tolerance = interval * burst
    most = tolerance + slack(burst, window)
    owed = max(cell[0] - now + cell[1] / FRACTION, 0.0)
    debt = owed + cost * interval
    if debt <= most:
        left = math.floor((most - debt) / interval)
        whole = math.floor(debt)
        after = (now + whole, math.floor((debt - whole) * FRACTION), 0)
        return Probe(True, after, left, min(debt, tolerance), 0.0)
    wait = window if cost > burst else min(window, math.ceil(debt - tolerance))
    return Probe(False, cell, max(0, math.floor((most - owed) / interval)), wait, wait)


def slack(burst: int, window: float) -> float:
    """µs of tolerance: clocks tick in whole ones, and each of a burst's sums may be rounded up."""
    return 1 + burst * window / 2**53
