"""Tell the rate plan of a client, and where it comes from."""

from __future__ import annotations

from flask_irl.api_keys.text import id_of
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.current import Counted, current_limits
from flask_irl.limits.plan import Plan
from flask_irl.limits.rate_plan import SCOPE
from flask_irl.operations.plan_results import ClientPlan


def plan_of_client(limiter: Limiter, key: str, now: float) -> ClientPlan | None:
    """Tell the rate plan of a client; None where the base limit holds.

    Args:
        limiter: The limiter.
        key: The client's key.
        now: Seconds since the epoch.

    Raises:
        StoreError: The store failed.
    """
    plans = limiter.rate_plans
    if not plans.any:
        return None
    counted = [name for name in plans.table if _counts_under(limiter, name, key, now)]
    assignment = plans.assignment_of(key)
    if assignment is not None and assignment.plan in plans.table:
        plan, until, reason, who = assignment
        return {
            "plan": plan,
            "source": "operator",
            "until": until,
            "reason": reason,
            "who": who,
            "counted": counted,
        }
    # A key's client has the plan of its key, which is told with each request.
    by_request = plans.by_request or (limiter.keys is not None and bool(id_of(key)))
    default = None if plans.default is None or by_request else plans.default.name
    if default is None and not by_request and not counted:
        return None
    return {
        "plan": default,
        "source": "default" if default is not None else "app",
        "until": None,
        "reason": None,
        "who": None,
        "counted": counted,
    }


def _counts_under(limiter: Limiter, name: str, key: str, now: float) -> bool:
    plan = limiter.plan((limiter.rate_plans.table[name].scope,))
    return is_used(plan, name, limiter.store.peek(plan, (key, key)), now)


def is_used(plan: Plan, name: str, counted: Counted, now: float) -> bool:
    """Tell whether requests count under a rate plan in the present windows.

    Args:
        plan: The plan's scope alone, as a store counts it.
        name: Name of the rate plan.
        counted: The client's counts.
        now: Seconds since the epoch.
    """
    limits = current_limits(plan, counted._replace(override=None), now)
    return any(x.scope == SCOPE + name and x.remaining < x.limit for x in limits)
