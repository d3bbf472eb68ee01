"""Group the limits of a route into scopes, each with its texts and costs."""

from __future__ import annotations

from dataclasses import dataclass

from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Role, Scope
from flask_irl.limits.rate_plan import RatePlan
from flask_irl.web.callbacks import OnBreach
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.routes import Route


@dataclass(frozen=True)
class Notice:
    """Hold the text of a limit's 429, or who may answer instead, with its scope and window."""

    scope: str
    window: int
    message: str | None
    on_breach: OnBreach | None = None
    role: Role = "count"


def scopes_of(route: Route, rate_plan: RatePlan | None = None) -> tuple[Scope, ...]:
    """Group a route's fixed limits into scopes, behind that of a rate plan if there is one.

    A plan counts instead of the base limit, and so does a route's limit that replaces that.
    """
    named: dict[str, tuple[Limit, ...]] = {}
    shared: list[Scope] = []
    replacing: set[str] = set()
    if route.defaults:
        named[route.endpoint] = route.defaults
    names = dict(zip(route.limits, route.names, strict=True))
    for name, limit in zip(route.names, route.limits, strict=True):
        if not limit.fixed:
            continue
        if limit.apart:
            shared.append(
                Scope(
                    name,
                    limit.limits,
                    replaces_base=limit.override_base,
                    role=limit.role,
                    cost=limit.cost if limit.own_cost and isinstance(limit.cost, int) else None,
                    of=() if limit.parent is None else (names[limit.parent],),
                )
            )
        elif limit.shared is None:
            named[name] = (*named.get(name, ()), *limit.limits)
            if limit.override_base:
                replacing.add(name)
        else:
            # Routes that share it may have other limits beside it: it counts apart from those.
            shared.append(Scope(name, limit.limits, replaces_base=limit.override_base))
    own = (Scope(name, x, replaces_base=name in replacing) for name, x in named.items())
    scopes = (*own, *shared)
    if rate_plan is None or any(scope.replaces_base for scope in scopes):
        return scopes
    return (rate_plan.scope, *scopes)


def notices_of(name: str, limit: RouteLimit, given: tuple[Limit, ...]) -> list[Notice]:
    """List the texts of a limit's 429s under the name of its scope."""
    message, on_breach, role = limit.error_message, limit.on_breach, limit.role
    if message is None and on_breach is None and role != "breach":
        return []
    return [Notice(name, x.window_seconds, message, on_breach, role) for x in given]


def fixed_cost(limits: tuple[RouteLimit, ...]) -> int:
    """Give the units that a request counts for in some limits, as far as none is asked."""
    own = (limit.cost for limit in limits if not limit.own_cost and limit.role != "breach")
    return max((cost for cost in own if isinstance(cost, int)), default=1)
