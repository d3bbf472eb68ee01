"""Decide on a request under all limits of a plan, apart from any store.

Times are arguments, in microseconds. Every number is a whole number or an IEEE double, so that the
Lua twin, ``stores/redis/hit.lua``, computes the same to the bit.
"""

from __future__ import annotations

import math
from dataclasses import replace

from flask_irl.limits.calendar import period
from flask_irl.limits.decision import Admission, Hit
from flask_irl.limits.limit import Limit, scale
from flask_irl.limits.override import CODES, Override
from flask_irl.limits.plan import Plan
from flask_irl.limits.ruled import admit_ruled
from flask_irl.limits.strategies import STRATEGIES
from flask_irl.limits.strategies.base import Cell
from flask_irl.limits.strategies.calendar_window import calendar_window, in_period
from flask_irl.limits.strategies.gcra import slack


def admit(plan: Plan, cells: list[Cell], factor: float, now: float, cost: int) -> Admission:
    """Count a request under every limit of a plan, or under none of them.

    Args:
        plan: The limits; ``cells`` holds one cell for each, in order.
        cells: The limits' states; not changed.
        factor: Share of every limit that is left to the client, 0 to 1.
        now: µs since the epoch.
        cost: Requests that this one counts for, 0 or more.

    Returns:
        The outcome, with new cells if admitted and the old ones if not.
    """
    probe = STRATEGIES[plan.strategy]
    after: list[Cell] = []
    admitted = True
    binding = index = 0
    figures = (0, 0, 0.0, 0.0)
    for scope in plan.scopes:
        for limit in scope.limits:
            amount = scale(limit.amount, factor)
            # In doubles, as in Lua: they may not hold the product exactly.
            most = float((limit.burst or limit.amount) - 1)
            burst = 1 + math.floor(most * amount / limit.amount)
            if limit.calendar is None:
                answer = probe(cells[index], now, amount, limit.window_seconds * 1e6, burst, cost)
            else:
                _, length = period(plan.periods[limit.calendar], now)
                answer = calendar_window(cells[index], now, amount, length, cost)
            after.append(answer.cell)
            if answer.admitted:
                better = admitted and (
                    index == 0
                    or answer.remaining < figures[1]
                    or (answer.remaining == figures[1] and answer.reset_after > figures[2])
                )
            else:
                better = admitted or answer.retry_after > figures[3]
                admitted = False
            if better:
                binding = index
                figures = (amount, answer.remaining, answer.reset_after, answer.retry_after)
            index += 1
    return Admission(admitted, binding, *figures, after if admitted else cells)


def settle(plan: Plan, cells: list[Cell], now: float) -> list[Cell]:
    """Move cells of a calendar into its present period, and those in the future back to ``now``.

    The latter is for a clock that was set back.

    No window begins later than now, and no client owes more than a window: a later time would lock
    the client out for as long as the clock was wrong.

    Returns:
        The same list if there was nothing to move, which is nearly always.
    """
    periods = plan.periods
    for index, cell in enumerate(cells):
        if periods and plan.limits[index][1].calendar in periods:
            moved = in_period(cell, period(periods[plan.limits[index][1].calendar], now)[0])
            if moved != cell:
                cells = [*cells[:index], moved, *cells[index + 1 :]]
        elif cell[0] > now:
            ahead = more = 0.0
            if plan.strategy == "gcra":
                limit = plan.limits[index][1]
                ahead = limit.window_seconds * 1e6
                more = slack(limit.amount, ahead)
            if cell[0] > now + ahead + more:
                kept = 0 if plan.strategy == "gcra" else cell[2]
                moved = (now + ahead, cell[1], kept)
                cells = [*cells[:index], moved, *cells[index + 1 :]]
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
    """Decide on one request: the Python twin of ``stores/redis/hit.lua``.

    Args:
        plan: The limits that apply.
        cells: State of each limit, in order.
        step: The client's step on the ladder.
        score: Its latest calibrated score, 0 to -1.
        now: µs since the epoch.
        gap: µs since its previous request, or -1.
        cost: Requests that this one counts for, 0 or more.
        override: An operator's override of the client; may have ended.

    Returns:
        The answer, and the cells to keep: ``cells`` itself if nothing changes.
    """
    code, tight_refused = 0, False
    if override is not None and now < float(int(override.until * 1e6)):
        code = CODES[override.kind]
    ask = admit
    if not plan.plain:
        part = plan.overridden if code == CODES["limit"] else plan.counted
        if part is not None:
            # The cells of a scope on standby, or one that yields, stay as they are.
            rest = [cells[place] for place in part.places]
            hit, after = decide(
                part,
                rest,
                step=step,
                score=score,
                now=now,
                gap=gap,
                cost=cost,
                override=override,
            )
            if part.limits and code != CODES["block"]:
                hit = hit._replace(binding=part.places[hit.binding])
            if after is rest:
                return hit, cells
            cells = cells.copy()
            for place, cell in zip(part.places, after, strict=True):
                cells[place] = cell
            return hit, cells
        ask = admit_ruled if plan.ruled else admit
    cells = settle(plan, cells, now)
    if override is not None and code == CODES["allow"]:
        amount = plan.limits[0][1].amount if plan.limits else 0
        verdict = Admission(True, 0, amount, amount, 0.0, 0.0, cells)
    elif override is not None and code == CODES["block"]:
        left = float(int(override.until * 1e6)) - now
        verdict = Admission(False, 0, 0, 0, left, left, cells)
    else:
        judged = plan.factors[min(step, len(plan.factors) - 1)]
        if override is not None and code:
            plan, judged = with_amount(plan, override.amount), plan.factors[0]
        verdict = ask(plan, cells, judged if plan.enforce else plan.factors[0], now, cost)
        if not plan.enforce and judged < plan.factors[0] and verdict.admitted:
            tight_refused = not ask(plan, cells, judged, now, cost).admitted
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


def count_alone(
    plan: Plan, cell: Cell, step: int, score: float, now: float, gap: float, cost: int
) -> tuple[Hit, Cell] | None:
    """Count a request in the only limit of a plan: the commonest case, in half the time.

    Args:
        plan: A plan that has a limit ``alone``.
        cell: The limit's state.
        step: As for :func:`decide`, like all that follow; the client has no override.

    Returns:
        The answer, and the cell to keep, for a request that is admitted; None where :func:`decide`
        has to answer.
    """
    limit, factors = plan.alone, plan.factors
    rung = min(step, len(factors) - 1)
    if limit is None or cell[0] > now or (rung and not plan.enforce):
        return None
    amount, window = scale(limit.amount, factors[rung]), limit.window_seconds * 1e6
    admitted, after, left, reset, _ = STRATEGIES[plan.strategy](cell, now, amount, window, 1, cost)
    if not admitted:
        return None
    hit = (True, 0, step, False, score, amount, left, reset, 0.0, now, gap, 0)
    # As Hit(...), but without a call of Python's.
    return tuple.__new__(Hit, hit), after


def with_amount(plan: Plan, amount: int) -> Plan:
    """Replace the amount of the limits on all of the client's requests."""
    own = plan.scopes[0]
    limits = tuple(
        Limit(amount, limit.window_seconds, min(limit.burst or limit.amount, amount))
        for limit in own.limits
    )
    own = replace(own, limits=limits, standby=False)
    return replace(plan, scopes=(own, *plan.scopes[1:]))
