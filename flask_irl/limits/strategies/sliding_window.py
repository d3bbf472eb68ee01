"""Count requests per window, and a fading share of the window before."""

from __future__ import annotations

import math

from flask_irl.limits.strategies.base import Cell, Probe


def sliding_window_counter(
    cell: Cell, now: float, amount: int, window: float, burst: int, cost: int
) -> Probe:
    """Count per window, and a fading share of the window before. Ignores ``burst``.

    The request of the window before that is fading at this moment no longer counts, so that a
    client that keeps exactly to the limit's pace is never refused. Arguments as for
    :data:`~flask_irl.limits.strategies.base.Strategy`.
    """
    anchor, current, previous = cell
    elapsed = now - anchor
    if (current == 0 and previous == 0) or elapsed >= 2 * window:
        anchor, current, previous, elapsed = now, 0, 0, 0.0
    elif elapsed >= window:
        anchor, current, previous, elapsed = anchor + window, 0, current, elapsed - window
    room = amount - current - cost
    fade = window - elapsed
    carried = max(0, math.ceil(previous * fade / window) - 1)
    if carried <= room:
        return Probe(True, (anchor, current + cost, previous), room - carried, fade, 0.0)
    if cost > amount:
        wait = window
    elif room >= 0:
        wait = fade - math.floor((room + 1) * window / previous)
    else:
        wait = fade + window - math.floor((amount - cost + 1) * window / current)
    return Probe(False, cell, max(0, amount - current - carried), wait, wait)
