"""Tell the rate plan of a client and where it comes from, and find the clients of a plan."""

from __future__ import annotations

from collections.abc import Sequence

from flask_irl.api_keys.text import id_of
from flask_irl.errors import ConfigurationError
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


def clients_of_plan(limiter: Limiter, name: str, keys: Sequence[str], now: float) -> set[str]:
    """Find the clients that have a plan, or whose requests count under it at present.

    Args:
        limiter: The limiter.
        name: Name of the plan.
        keys: The clients' keys.
        now: Seconds since the epoch.

    Raises:
        ConfigurationError: There is no such plan.
        StoreError: The store failed.
    """
    plans = limiter.rate_plans
    if name not in plans.table:
        known = ", ".join(plans.table) or "none"
        raise ConfigurationError(f"plan is {name!r:.60}, which is no plan; there are: {known}")
    is_default = plans.default is not None and plans.default.name == name
    found, left = set[str](), list[str]()
    for key in keys:
        assignment = plans.assignment_of(key)
        if assignment is not None and assignment.plan in plans.table:
            has_plan = assignment.plan == name
        else:
            by_request = plans.by_request or (limiter.keys is not None and bool(id_of(key)))
            has_plan = is_default and not by_request
        if has_plan:
            found.add(key)
        else:
            left.append(key)
    plan = limiter.plan((plans.table[name].scope,))
    counted = zip(left, limiter.store.peek_many(plan, left), strict=True)
    return found | {key for key, each in counted if _is_used(plan, name, each, now)}


def _counts_under(limiter: Limiter, name: str, key: str, now: float) -> bool:
    """Tell whether requests of a client count under a plan at present."""
    plan = limiter.plan((limiter.rate_plans.table[name].scope,))
    return _is_used(plan, name, limiter.store.peek(plan, (key, key)), now)


def _is_used(plan: Plan, name: str, counted: Counted, now: float) -> bool:
    limits = current_limits(plan, counted._replace(override=None), now)
    return any(x.scope == SCOPE + name and x.remaining < x.limit for x in limits)
