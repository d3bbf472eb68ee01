"""Cache the plans of an app's routes until settings change."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Final

from flask_irl.limits.calendar import UTC, Unit, bounds
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Counting, Mode, Plan, Scope, StrategyName

MAX_PLANS: Final = 4096
"""Bound on the plans of routes: scopes that a callable names may be without number."""
RENEWED: Final = 3
"""Place of the period with whose beginning a plan's are renewed: two begin before that, and four
more are known then."""


class PlanCache:
    """Cache plans by their scopes, each with that of all of a client's requests before them.

    Args:
        strategy: Name of the strategy that counts.
        longest: Least seconds that a client's state is kept.
        zone: Time zone of calendars' periods.
        now: Tells the time, in seconds since the epoch.
        max_plans: Bound on the plans, with and without the limit on all requests.

    Attributes:
        generation: Grows whenever all plans made before are void.
        longest: Seconds that a client's state is kept: twice the longest window so far.
    """

    def __init__(
        self,
        strategy: StrategyName,
        longest: int,
        zone: str = UTC,
        now: Callable[[], float] = time.time,
        max_plans: int = MAX_PLANS,
    ) -> None:
        self._strategy = strategy
        self._zone = zone
        self._now = now
        self._until = math.inf
        self._max_plans = max_plans
        self._own = self._standby = Scope("", (Limit(1, 1),))
        self._factors: tuple[float, ...] = (1.0,)
        self._mode: Mode = "off"
        self._plans: dict[tuple[Scope, ...], Plan] = {}
        self._reduced: dict[tuple[Plan, int], Plan] = {}
        self._ordered: dict[tuple[Plan, Counting, str | None], Plan] = {}
        self._taking: dict[tuple[Plan, tuple[int, ...]], Plan] = {}
        self.generation = 0
        self.longest = longest

    def __len__(self) -> int:
        """Count the plans in the cache."""
        return len(self._plans) + len(self._reduced) + len(self._ordered) + len(self._taking)

    def use(self, own: Scope, factors: tuple[float, ...], mode: Mode) -> None:
        """Make plans for other settings from now on.

        Args:
            own: The scope of all of a client's requests. It is on standby in plans one of whose
                scopes replaces it.
            factors: Share of each limit that is left at each step.
            mode: ``enforce`` tightens limits, ``shadow`` only records it, ``off`` does neither.
        """
        self._own = own
        self._standby = dataclasses.replace(own, standby=True)
        self._factors = factors if mode != "off" else (1.0,)
        self._mode = mode
        self.longest = max(self.longest, *(2 * limit.window_seconds for limit in own.limits))
        self._renew()

    def plan(self, scopes: tuple[Scope, ...]) -> Plan:
        """Give the plan for a route's scopes."""
        # A plan of settings that change meanwhile ends in the dictionary of before.
        plans = self._plans
        plan = plans.get(scopes)
        if plan is None:
            replaced = any(scope.replaces_base for scope in scopes)
            plan = Plan(
                (self._standby if replaced else self._own, *scopes),
                self._strategy,
                self._factors,
                self._mode == "enforce",
                self.longest,
                zone=self._zone,
                periods=self._periods(scopes),
            )
            if plan.ttl_seconds > self.longest:
                # The window is longer than any before: every plan keeps clients that long from now.
                self.longest = plan.ttl_seconds
                self._renew()
                return self.plan(scopes)
            if len(plans) >= self._max_plans:
                plans.clear()
            plans[scopes] = plan
        return plan

    def ordered(self, plan: Plan, counting: Counting, shown: str | None) -> Plan:
        """Give a plan with another way of counting, and the scope to show; see ``Plan``."""
        key = (plan, counting, shown)
        ordered = self._ordered.get(key)
        if ordered is None:
            ordered = dataclasses.replace(plan, counting=counting, shown=shown)
            if len(self._ordered) >= self._max_plans:
                self._ordered.clear()
            self._ordered[key] = ordered
        return ordered

    def taking(self, plan: Plan, places: tuple[int, ...]) -> Plan:
        """Give a plan that counts requests in some of a plan's scopes, as far as these have room.

        Args:
            plan: The whole plan.
            places: Those of the scopes.
        """
        taking = self._taking.get((plan, places))
        if taking is None:
            scopes = (dataclasses.replace(plan.scopes[x], role="take") for x in places)
            taking = dataclasses.replace(plan, scopes=(Scope("", ()), *scopes))
            if len(self._taking) >= self._max_plans:
                self._taking.clear()
            self._taking[plan, places] = taking
        return taking

    def without_base(self, plan: Plan) -> Plan:
        """Give a plan for requests that the limit on all requests has counted before."""
        return self.without_first(plan, 1)

    def without_first(self, plan: Plan, counted: int) -> Plan:
        """Give a plan for requests that the limits of its first scopes have counted before.

        Args:
            plan: The whole plan.
            counted: How many scopes have, 1 or more; the first is the client's own.
        """
        reduced = self._reduced.get((plan, counted))
        if reduced is None:
            scopes = (Scope("", ()), *plan.scopes[counted:])
            reduced = dataclasses.replace(plan, scopes=scopes)
            if len(self._reduced) >= self._max_plans:
                self._reduced.clear()
            self._reduced[plan, counted] = reduced
        return reduced

    def keep_up(self) -> None:
        """Make plans anew whose calendar's periods are about to end; costs nothing until then."""
        if self._until < math.inf and self._now() * 1e6 >= self._until:
            self._renew()

    def _periods(self, scopes: tuple[Scope, ...]) -> dict[Unit | None, tuple[float, ...]]:
        """Give the periods of a calendar that limits have, and note when they are to be renewed."""
        units = {limit.calendar for scope in scopes for limit in scope.limits} - {None}
        periods: dict[Unit | None, tuple[float, ...]] = {}
        for unit in sorted(unit for unit in units if unit is not None):
            found = periods[unit] = bounds(unit, self._zone, self._now())
            self._until = min(self._until, found[RENEWED])
        return periods

    def _renew(self) -> None:
        self._until = math.inf
        self._plans = {}
        self._reduced = {}
        self._ordered = {}
        self._taking = {}
        self.generation += 1
