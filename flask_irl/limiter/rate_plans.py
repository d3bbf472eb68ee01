"""Keep the rate plans that are in force, and the clients that operators have assigned one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from flask_irl.config.options import Options, check_default_plan
from flask_irl.limits.rate_plan import RatePlan


class Assignment(NamedTuple):
    """Hold an operator's word on a client's plan.

    Attributes:
        plan: Name of the plan.
        until: End, in seconds since the epoch.
        reason: The operator's reason; may be empty.
        who: The operator.
    """

    plan: str
    until: float
    reason: str = ""
    who: str = ""


NOBODY: Final[Mapping[str, Assignment]] = {}


class RatePlans:
    """Keep the rate plans in force in this process; looked at without a call of the store.

    Args:
        options: Its ``plans`` and ``default_plan``.
        now: Tells the store's time in seconds since the epoch, without a call of it.

    Attributes:
        any: Whether there are plans: while there are none, requests pay nothing for them.
        table: The plans by name.
        default: The plan of clients that have no other; None for the base limit.
        assigned: Operators' assignments by client; may have ended.

    Raises:
        ConfigurationError: The default plan is no plan.
    """

    def __init__(self, options: Options, now: Callable[[], float]) -> None:
        self._now = now
        self.any = False
        self.table: Mapping[str, RatePlan] = {}
        self.default: RatePlan | None = None
        self.assigned = NOBODY
        check_default_plan(options)
        self.use(options)

    def use(self, options: Options) -> None:
        """Use other definitions from now on; a plan that stays the same stays itself."""
        known = self.table
        table = {}
        for name, limits in options.plans.items():
            plan = known.get(name)
            table[name] = plan if plan and plan.limits == limits else RatePlan(name, limits)
        default = options.default_plan
        self.table = table
        self.default = None if default is None else table.get(default)
        self.any = bool(table)

    def assigned_to(self, client: str) -> RatePlan | None:
        """Give the plan that an operator has assigned a client; None where there is none."""
        assigned = self.assigned.get(client)
        if assigned is None or assigned.until <= self._now():
            return None
        return self.table.get(assigned.plan)
