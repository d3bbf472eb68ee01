"""Describe the limits of a client as they stand, without counting a request."""

from __future__ import annotations

from typing import NamedTuple

from flask_irl.limits.admission import settle, with_amount
from flask_irl.limits.decision import Decision
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan
from flask_irl.limits.ruled import ask
from flask_irl.limits.strategies.base import Cell


class CurrentLimit(NamedTuple):
    """Describe a limit that holds for the current request, this request included.

    Attributes:
        scope: Name of the limit's scope: ``""`` for all of the client's requests, else the route's
            endpoint, or the name of the function or of the shared limit.
        limit: Requests per window in effect for this client; 0 while it is blocked.
        remaining: Requests left.
        reset_after: Seconds until the window resets (GCRA: until the limit is whole again).
        window_seconds: The window, in seconds.
    """

    scope: str
    limit: int
    remaining: int
    reset_after: float
    window_seconds: int

    @property
    def breached(self) -> bool:
        """Tell whether it has no more room."""
        return self.remaining <= 0


class Counted(NamedTuple):
    """Hold the state of a client under a plan.

    Attributes:
        step: Its step on the ladder.
        override: An operator's override; may have ended.
        cells: The state of each limit, in the plan's order.
    """

    step: int
    override: Override | None
    cells: list[Cell]


def current_limits(plan: Plan, counted: Counted, at: float) -> list[CurrentLimit]:
    """List the limits of a plan as they stand for a client; empty while it is allowed everything.

    Args:
        plan: The limits.
        counted: The client's state under it.
        at: The present, in seconds since the epoch.
    """
    now = float(int(at * 1e6))
    step = min(counted.step, len(plan.factors) - 1)
    factor = plan.factors[step if plan.enforce else 0]
    override, ends, yields = counted.override, None, False
    if override is not None and now < float(int(override.until * 1e6)):
        if override.kind == "allow":
            return []
        if override.kind == "block":
            factor, ends = 0.0, override.until - at
        else:
            plan, factor, yields = with_amount(plan, override.amount), plan.factors[0], True
    result = []
    cells = settle(plan, counted.cells, now)
    for (scope, limit), cell in zip(plan.limits, cells, strict=True):
        if scope.standby or scope.role == "breach" or (yields and scope.yields):
            continue
        # A request that costs nothing changes nothing, and shows how the limit stands.
        amount, answer = ask(plan, limit, cell, factor, now, 0)
        reset = answer.reset_after / 1e6 if ends is None else ends
        result.append(
            CurrentLimit(scope.name, amount, answer.remaining, reset, limit.window_seconds)
        )
    return result


def shown_limit(decision: Decision) -> CurrentLimit:
    """Describe the limit that a decision shows."""
    return CurrentLimit(
        decision.scope,
        decision.limit,
        decision.remaining,
        decision.reset_after,
        decision.window_seconds,
    )
