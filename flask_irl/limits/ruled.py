"""Decide under a plan whose scopes have roles, costs or an order of their own.

Such are limits with ``deduct_when``, meta limits, and limits that count as Flask-Limiter's do. The
Lua twin is ``stores/redis/ruled_hit.lua``.
"""

from __future__ import annotations

import math

from flask_irl.limits.calendar import period
from flask_irl.limits.decision import Admission
from flask_irl.limits.limit import Limit, scale
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.strategies import STRATEGIES
from flask_irl.limits.strategies.base import Cell, Probe
from flask_irl.limits.strategies.calendar_window import calendar_window


def admit_ruled(plan: Plan, cells: list[Cell], factor: float, now: float, cost: int) -> Admission:
    """Count a request as each scope's role says; arguments as of ``admission.admit``.

    Returns:
        The outcome, with ``cells`` itself where nothing has changed.
    """
    full = plan.factors[0]
    for index, (scope, limit) in enumerate(plan.limits if plan.has_breaches else ()):
        if scope.role == "breach":
            amount, answer = ask(plan, limit, cells[index], full, now, 1)
            if not answer.admitted:
                return Admission(False, index, amount, *answer[2:], cells)
    admitted, binding, shown = True, -1, plan.shown_index
    figures = (0, 0, 0.0, 0.0)
    counted: dict[int, Cell] = {}
    refused: set[str] = set()
    for index, (scope, limit) in enumerate(plan.limits):
        if scope.role == "breach":
            continue
        units = cost if scope.cost is None else scope.cost
        amount, answer = ask(plan, limit, cells[index], factor, now, units)
        if scope.role == "take" and not answer.admitted:
            amount, answer = ask(plan, limit, cells[index], factor, now, answer.remaining)
            answer = answer._replace(admitted=True, retry_after=0.0)
        if answer.admitted:
            if scope.role == "test":
                answer = answer._replace(remaining=answer.remaining + units)
            if shown >= 0:
                better = binding < 0 or index == shown
            else:
                better = (
                    binding < 0
                    or answer.remaining < figures[1]
                    or (answer.remaining == figures[1] and answer.reset_after > figures[2])
                )
            better = better and admitted
            if scope.role != "test":
                counted[index] = answer.cell
        else:
            better = admitted or answer.retry_after > figures[3]
            admitted = False
            refused.add(scope.name)
        if better:
            binding = index
            figures = (amount, answer.remaining, answer.reset_after, answer.retry_after)
        if not answer.admitted and plan.counting == "in turn":
            break
    if not admitted:
        if plan.counting == "together":
            counted = {}
        for index, (scope, limit) in enumerate(plan.limits):
            if scope.role == "breach" and _counts(scope, refused):
                counted[index] = ask(plan, limit, cells[index], full, now, 1)[1].cell
    after = cells
    if counted:
        after = [counted.get(index, cell) for index, cell in enumerate(cells)]
    return Admission(admitted, max(binding, 0), *figures, after)


def ask(
    plan: Plan, limit: Limit, cell: Cell, factor: float, now: float, cost: int
) -> tuple[int, Probe]:
    """Ask one limit of a plan; returns its amount at the factor, and the answer."""
    amount = scale(limit.amount, factor)
    if limit.calendar is not None:
        _, length = period(plan.periods[limit.calendar], now)
        return amount, calendar_window(cell, now, amount, length, cost)
    most = float((limit.burst or limit.amount) - 1)
    burst = 1 + math.floor(most * amount / limit.amount)
    probe = STRATEGIES[plan.strategy]
    return amount, probe(cell, now, amount, limit.window_seconds * 1e6, burst, cost)


def _counts(scope: Scope, refused: set[str]) -> bool:
    return not scope.of or not refused.isdisjoint(scope.of)
