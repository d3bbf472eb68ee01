"""Count requests per period of a calendar."""

from __future__ import annotations

from flask_irl.limits.strategies.base import Cell, Probe


def calendar_window(cell: Cell, now: float, amount: int, length: float, cost: int) -> Probe:
    """Count per period, whose start is the cell's; whatever a plan's strategy.

    Args:
        cell: The cell, its start that of the present period.
        now: µs since the epoch.
        amount: Requests per period.
        length: µs of the period.
        cost: Requests that this one counts for.
    """
    start, current, _ = cell
    reset = start + length - now
    room = amount - current - cost
    if room >= 0:
        return Probe(True, (start, current + cost, 0), room, reset, 0.0)
    wait = length if cost > amount else reset
    return Probe(False, cell, max(0, amount - current), wait, wait)


def in_period(cell: Cell, start: float) -> Cell:
    """Move a cell into the period that begins at ``start``.

    What an earlier one has counted is gone; what a later one has, for a clock that was set back, is
    kept.
    """
    if cell[0] == start:
        return cell
    return (start, 0, 0) if cell[0] < start else (start, cell[1], 0)
