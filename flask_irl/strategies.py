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
from dataclasses import replace
from typing import Final, NamedTuple

from flask_irl.limit import Limit, scaled
from flask_irl.overrides import CODES, Override
from flask_irl.records import Hit, Plan, StrategyName

Cell = tuple[float, int, int]
"""A limit's state: a window's start in µs, the requests of that window, and those of the one
before. For GCRA: the theoretical arrival time in whole µs, the rest of it in 2**-32 µs, and 0."""

EMPTY: Final[Cell] = (0.0, 0, 0)
FRACTION: Final = 2.0**32
"""Parts of a µs: a double holds the epoch's microseconds only to a quarter, and a burst adds up
what each of its requests loses."""


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
    if current == 0 or now >= anchor + window:
        anchor, current = now, 0
    reset = anchor + window - now
    room = amount - current - cost
    if room >= 0:
        return Probe(True, (anchor, current + cost, 0), room, reset, 0.0)
    wait = window if cost > amount else reset
    return Probe(False, cell, max(0, amount - current), wait, wait)


def sliding_window_counter(
    cell: Cell, now: float, amount: int, window: float, burst: int, cost: int
) -> Probe:
    """Count per window, and carry the last window's count over, fading. Ignores ``burst``.

    Of what is carried over, the request that is fading just now counts no more: so a client that
    keeps exactly to the limit's pace is never refused.
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


def gcra(cell: Cell, now: float, amount: int, window: float, burst: int, cost: int) -> Probe:
    """Requests evenly spaced at ``amount`` per window, with ``burst`` of them at once."""
    if amount <= 0:
        return Probe(False, cell, 0, window, window)
    interval = window / amount
    tolerance = interval * burst
    most = tolerance + _slack(burst, window)
    owed = max(cell[0] - now + cell[1] / FRACTION, 0.0)
    debt = owed + cost * interval
    if debt <= most:
        left = math.floor((most - debt) / interval)
        whole = math.floor(debt)
        after = (now + whole, math.floor((debt - whole) * FRACTION), 0)
        return Probe(True, after, left, min(debt, tolerance), 0.0)
    wait = window if cost > burst else min(window, math.ceil(debt - tolerance))
    return Probe(False, cell, max(0, math.floor((most - owed) / interval)), wait, wait)


def _slack(burst: int, window: float) -> float:
    """µs of tolerance: clocks tick in whole ones, and each of a burst's sums may be rounded up."""
    return 1 + burst * window / 2**53


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
            # In doubles, as in Lua: the product may be beyond what they hold exactly.
            most = float((limit.burst or limit.amount) - 1)
            burst = 1 + math.floor(most * amount / limit.amount)
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


def settled(plan: Plan, cells: list[Cell], now: float) -> list[Cell]:
    """The cells as they are good for ``now``, even if the clock was set back meanwhile.

    A window can't begin later than now, nor can a client owe more than a window: what lies further
    ahead would lock it out for as long as the clock was wrong.

    Returns:
        The same list if there was nothing to mend, which is nearly always.
    """
    for index, cell in enumerate(cells):
        if cell[0] > now:
            ahead = slack = 0.0
            if plan.strategy == "gcra":
                limit = plan.shown[index][1]
                ahead = limit.window_seconds * 1e6
                slack = _slack(limit.amount, ahead)
            if cell[0] > now + ahead + slack:
                cells = [*cells[:index], (now + ahead, *cell[1:]), *cells[index + 1 :]]
    return cells


def decide(
    plan: Plan,
    cells: list[Cell],
    *,
    step: int,
    score: float,
    now: float,
    gap: float,
    cost: int,
    override: Override | None = None,
) -> tuple[Hit, list[Cell]]:
    """The whole decision on one request: the Python twin of ``stores/hit.lua``.

    Returns:
        The answer, and the cells to keep: ``cells`` itself when they are to stay as they are.
    """
    cells = settled(plan, cells, now)
    code, tight_refused = 0, False
    if override is not None and now < float(int(override.until * 1e6)):
        code = CODES[override.kind]
    if override is not None and code == CODES["allow"]:
        amount = plan.shown[0][1].amount
        verdict = Admission(True, 0, amount, amount, 0.0, 0.0, cells)
    elif override is not None and code == CODES["block"]:
        left = float(int(override.until * 1e6)) - now
        verdict = Admission(False, 0, 0, 0, left, left, cells)
    else:
        judged = plan.factors[min(step, len(plan.factors) - 1)]
        if override is not None and code:
            plan, judged = _with_amount(plan, override.amount), plan.factors[0]
        verdict = admit(plan, cells, judged if plan.enforce else plan.factors[0], now, cost)
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
        code,
    )
    return hit, verdict.cells


def _with_amount(plan: Plan, amount: int) -> Plan:
    """The plan with another limit on everything that the client asks for."""
    own = plan.scopes[0]
    limits = tuple(
        Limit(amount, limit.window_seconds, min(limit.burst or limit.amount, amount))
        for limit in own.limits
    )
    return replace(plan, scopes=(replace(own, limits=limits), *plan.scopes[1:]))
