"""The plans of an app's routes: made once of their scopes, kept, made anew when settings change."""

from __future__ import annotations

import dataclasses
from typing import Final

from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Mode, Plan, Scope, StrategyName

MAX_PLANS: Final = 4096


class Plans:
    """Plans by their scopes, beside the limit on everything that a client asks for; bounded.

    Args:
        strategy: How requests are counted.
        longest: Seconds that a client's state is kept at least.

    Attributes:
        generation: Grows whenever plans that were made before are no longer good.
        longest: Seconds that a client's state is kept by now: twice the longest window met.
    """

    def __init__(self, strategy: StrategyName, longest: int) -> None:
        self._strategy = strategy
        self._base = Limit(1, 1)
        self._factors: tuple[float, ...] = (1.0,)
        self._mode: Mode = "off"
        self._plans: dict[tuple[Scope, ...], Plan] = {}
        self._reduced: dict[Plan, Plan] = {}
        self.generation = 0
        self.longest = longest

    def __len__(self) -> int:
        return len(self._plans) + len(self._reduced)

    def use(self, base: Limit, factors: tuple[float, ...], mode: Mode) -> None:
        """Make plans for other settings from now on.

        Args:
            base: The limit on everything that a client asks for.
            factors: Share of each limit that is left at each step.
            mode: Whether verdicts are enforced, only told, or not made.
        """
        self._base = base
        self._factors = factors if mode != "off" else (1.0,)
        self._mode = mode
        self.longest = max(self.longest, 2 * base.window_seconds)
        self._renew()

    def plan(self, scopes: tuple[Scope, ...]) -> Plan:
        """The plan for a route's scopes."""
        plan = self._plans.get(scopes)
        if plan is None:
            plan = Plan(
                (Scope("", (self._base,)), *scopes),
                self._strategy,
                self._factors,
                self._mode == "enforce",
                self.longest,
            )
            if plan.ttl_seconds > self.longest:
                # A longer window came up: from now on every plan keeps clients that long.
                self.longest = plan.ttl_seconds
                self._renew()
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[scopes] = plan
        return plan

    def without_base(self, plan: Plan) -> Plan:
        """A plan for requests that the limit on everything has counted before."""
        reduced = self._reduced.get(plan)
        if reduced is None:
            reduced = dataclasses.replace(plan, scopes=(Scope("", ()), *plan.scopes[1:]))
            if len(self._reduced) >= MAX_PLANS:
                self._reduced.clear()
            self._reduced[plan] = reduced
        return reduced

    def _renew(self) -> None:
        self._plans.clear()
        self.generation += 1
