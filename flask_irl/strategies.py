"""How requests are counted: the arithmetic of each strategy, apart from any store.

A strategy is a function that looks at one limit's cell and says whether a request may pass, what
the cell becomes if it does, and what the headers show. Time is in microseconds and always handed
in. Every number is a whole number or an IEEE double, so that the Lua twins in
``stores/hit.lua`` compute the same to the bit.

Sources: the sliding window counter is Cloudflare's ("How we built rate limiting capable of scaling
to millions of domains", 2017); GCRA is ITU-T I.371, in the virtual-scheduling form of
throttled/throttled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from flask_irl.limit import scaled
from flask_irl.records import Hit, Plan, StrategyName

Cell = tuple[float, int, int]
"""A limit's state: an instant in µs (a window's start, or GCRA's theoretical arrival time), the
requests of the current window, and those of the one before."""

EMPTY: Final[Cell] = (0.0, 0, 0)
GCRA_SLACK: Final = 1.0
"""Doubles hold epoch microseconds to a quarter: a tick of tolerance keeps a punctual client in."""


class Probe(NamedTuple):
    """What a strategy says of one request.

    Attributes:
        admitted: Whether the limit has room.
        cell: The cell with the request counted; meaningful when admitted.
        remaining: Requests left, after this one if it is admitted.
        reset_after: µs until the window ends (GCRA: until nothing is owed).
        retry_after: µs until the same request has room, 0 when admitted.
    """

    admitted: bool
    cell: Cell
    remaining: int
    reset_after: float
    retry_after: float


Strategy = Callable[[Cell, float, int, float, int, int], Probe]
"""``(cell, now, amount, window, burst, cost)``; ``now`` and ``window`` in µs."""


def fixed_window(
    cell: Cell, now: float, amount: int, window: float, burst: int, cost: int
) -> Probe:
    """Count per window; a client's window begins with its first request. Ignores ``burst``."""
    anchor, current, _ = cell
    if current == 0 or now >= anchor + window or anchor - now > window:
        anchor, current = now, 0
    reset = min(anchor + window - now, window)
    room = amount - current - cost
    if room >= 0:
        return Probe(True, (anchor, current + cost, 0), room, reset, 0.0)
    wait = window if cost > amount else reset
    return Probe(False, cell, max(0, amount - current), wait, wait)


def sliding_window_counter(
    cell: Cell, now: float, amount: int, window: float, burst: int, cost: int
) -> Probe:
    """Count per window, and carry the last window's count over, fading. Ignores ``burst``."""
    anchor, current, previous = cell
    elapsed = now - anchor
    if (current == 0 and previous == 0) or elapsed >= 2 * window or elapsed < -window:
        anchor, current, previous, elapsed = now, 0, 0, 0.0
    elif elapsed >= window:
        anchor, current, previous, elapsed = anchor + window, 0, current, elapsed - window
    elif elapsed < 0:
        elapsed = 0.0
    room = amount - current - cost
    fade = window - elapsed
    carried = previous * fade
    if carried <= room * window:
        left = math.floor(room - carried / window)
        return Probe(True, (anchor, current + cost, previous), left, fade, 0.0)
    if cost > amount:
        wait = window
    elif room >= 0:
        wait = fade - math.floor(room * window / previous)
    else:
        wait = fade + window - math.floor((amount - cost) * window / current)
    return Probe(False, cell, max(0, math.floor(amount - current - carried / window)), wait, wait)


def gcra(cell: Cell, now: float, amount: int, window: float, burst: int, cost: int) -> Probe:
    """Requests evenly spaced at ``amount`` per window, with ``burst`` of them at once."""
    if cost > burst or amount <= 0:
        return Probe(False, cell, 0, window, window)
    interval = window / amount
    tolerance = interval * burst
    owed = min(max(cell[0] - now, 0.0), tolerance)
    debt = owed + cost * interval
    if debt <= tolerance + GCRA_SLACK:
        left = math.floor((tolerance - debt + GCRA_SLACK) / interval)
        return Probe(True, (now + debt, 0, 0), left, debt, 0.0)
    wait = math.ceil(debt - tolerance)
    left = math.floor((tolerance - owed + GCRA_SLACK) / interval)
    return Probe(False, cell, left, wait, wait)


STRATEGIES: Final[dict[StrategyName, Strategy]] = {
    "sliding-window-counter": sliding_window_counter,
    "fixed-window": fixed_window,
    "gcra": gcra,
}


class Admission(NamedTuple):
    """The outcome of all limits of a plan together; see :class:`~flask_irl.records.Hit`."""

    admitted: bool
    binding: int
    limit: int
    remaining: int
    reset_after: float
    retry_after: float
    cells: list[Cell]


def admit(plan: Plan, cells: list[Cell], factor: float, now: float, cost: int) -> Admission:
    """Ask every limit of a plan, all or nothing.

    Args:
        plan: The limits; ``cells`` holds one cell for each, in order.
        cells: Their states; not changed.
        factor: Share of every limit that the client has, 0 to 1.
        now: µs since the epoch.
        cost: What the request counts for, 0 or more.

    Returns:
        The verdict, with new cells if admitted and the old ones if not.
    """
    probe = STRATEGIES[plan.strategy]
    after: list[Cell] = []
    admitted = True
    binding = index = 0
    shown = (0, 0, 0.0, 0.0)
    for scope in plan.scopes:
        for limit in scope.limits:
            amount = scaled(limit.amount, factor)
            burst = scaled(limit.burst or limit.amount, factor)
            answer = probe(cells[index], now, amount, limit.window_seconds * 1e6, burst, cost)
            after.append(answer.cell)
            if answer.admitted:
                better = admitted and (
                    index == 0
                    or answer.remaining < shown[1]
                    or (answer.remaining == shown[1] and answer.reset_after > shown[2])
                )
            else:
                better = admitted or answer.retry_after > shown[3]
                admitted = False
            if better:
                binding = index
                shown = (amount, answer.remaining, answer.reset_after, answer.retry_after)
            index += 1
    return Admission(admitted, binding, *shown, after if admitted else cells)


def decide(
    plan: Plan, cells: list[Cell], *, step: int, score: float, now: float, gap: float, cost: int
) -> tuple[Hit, list[Cell]]:
    """The whole decision on one request: the Python twin of ``stores/hit.lua``.

    Returns:
        The answer, and the cells to keep.
    """
    judged = plan.factors[min(step, len(plan.factors) - 1)]
    verdict = admit(plan, cells, judged if plan.enforce else plan.factors[0], now, cost)
    tight_refused = False
    if not plan.enforce and judged < plan.factors[0] and verdict.admitted:
        tight_refused = not admit(plan, cells, judged, now, cost).admitted
    hit = Hit(
        verdict.admitted,
        verdict.binding,
        step,
        tight_refused,
        score,
        verdict.limit,
        verdict.remaining,
        verdict.reset_after,
        verdict.retry_after,
        now,
        gap,
    )
    return hit, verdict.cells
