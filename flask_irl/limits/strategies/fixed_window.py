"""Count requests per window."""

from __future__ import annotations

from flask_irl.limits.strategies.base import Cell, Probe


def fixed_window(
    cell: Cell, now: float, amount: int, window: float, burst: int, cost: int
) -> Probe:
    """Count per window; a client's window begins with its first request. Ignores ``burst``.

    Arguments as for :data:`~flask_irl.limits.strategies.base.Strategy`.
    """
    anchor, current, _ = cell
    if current == 0 or now >= anchor + window:
        anchor, current = now, 0
    reset = anchor + window - now
    room = amount - current - cost
    if room >= 0:
        return Probe(True, (anchor, current + cost, 0), room, reset, 0.0)
    wait = window if cost > amount else reset
    return Probe(False, cell, max(0, amount - current), wait, wait)
