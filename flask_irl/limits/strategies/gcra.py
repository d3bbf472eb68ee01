"""Space requests evenly, with a burst at once."""

from __future__ import annotations

import math

from flask_irl.limits.strategies.base import FRACTION, Cell, Probe


def gcra(cell: Cell, now: float, amount: int, window: float, burst: int, cost: int) -> Probe:
    """Space requests evenly at ``amount`` per window, with ``burst`` of them at once.

    The generic cell rate algorithm (ITU-T I.371), by its virtual scheduling. Arguments as for
    :data:`~flask_irl.limits.strategies.base.Strategy`.
    """
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
        # Nobody is given back what has been paid by waiting.
        ahead = min(cell[2], math.floor(owed))
        after = (now + whole, math.floor((debt - whole) * FRACTION), ahead)
        return Probe(True, after, left, min(debt, tolerance), 0.0)
    wait = window if cost > burst else min(window, math.ceil(debt - tolerance))
    return Probe(False, cell, max(0, math.floor((most - owed) / interval)), wait, wait)


def slack(burst: int, window: float) -> float:
    """Give the tolerance in µs: clocks tick in whole µs, and each sum of a burst may round up."""
    return 1 + burst * window / 2**53
