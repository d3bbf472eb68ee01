"""Which limits a request is under: worked out once per route, looked up from then on.

What is decided here: routes of static files aren't limited; a request that no route matches (404,
405) and Flask's automatic answer to OPTIONS count against the limit on everything, not against a
route's own; HEAD counts as GET.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Flask
from werkzeug.routing import Rule

from flask_irl.errors import IrlError
from flask_irl.keys import canonical
from flask_irl.limit import Limit, parse_limits
from flask_irl.limiter import Limiter
from flask_irl.marks import RouteLimit, is_exempt, limits_of
from flask_irl.records import Plan, Scope

UNMATCHED: Final = "unmatched"


@dataclass(slots=True)
class Route:
    """What holds for one endpoint and method.

    Attributes:
        label: The rule's text, or ``"unmatched"``: bounded, safe for metrics.
        exempt: Whether it isn't limited at all.
        limits: The decorators' limits that apply.
        defaults: The default limits that apply.
        plan: The plan, when it is the same for every request.
        generation: The limiter's generation that the plan is of.
    """

    label: str
    exempt: bool
    limits: tuple[RouteLimit, ...] = ()
    defaults: tuple[Limit, ...] = ()
    endpoint: str = ""
    method: str = ""
    plan: Plan | None = None
    generation: int = -1

    @property
    def fixed(self) -> bool:
        """Whether its plan is the same for every request."""
        return all(limit.fixed for limit in self.limits)


class RouteTable:
    """The limits of an app's routes.

    Args:
        owner: The extension whose decorators count.
        limiter: Makes the plans.
        defaults: The default limits of routes.
        blueprint_limits: By blueprint name, the limits of all its routes.
        exempt_blueprints: Names of blueprints that aren't limited.
        failed: Told of a callable of the user's that raised.
    """

    def __init__(
        self,
        owner: object,
        limiter: Limiter,
        defaults: tuple[Limit, ...],
        blueprint_limits: dict[str, list[RouteLimit]],
        exempt_blueprints: set[str],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._owner = owner
        self._limiter = limiter
        self._defaults = defaults
        self._blueprint_limits = blueprint_limits
        self._exempt_blueprints = exempt_blueprints
        self._failed = failed
        self._routes: dict[tuple[str, str, str], Route] = {}

    def of(self, app: Flask, rule: Rule | None, method: str) -> Route:
        """The route that a rule and a method make; the rule is None where none matches."""
        if rule is None:
            return NO_ROUTE
        key = (rule.rule, rule.endpoint, method)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = self._work_out(app, rule, method)
        return route

    def plan(
        self, route: Route, client: str
    ) -> tuple[Plan, Sequence[str], int, tuple[RouteLimit, ...]]:
        """The plan, the keys of its scopes, the cost, and the limits that apply to a request."""
        limiter = self._limiter
        if route.plan is not None and route.generation == limiter.generation:
            plan = route.plan
            return plan, (client,) * len(plan.scopes), _fixed_cost(route.limits), route.limits
        if route.fixed:
            route.plan = self.fixed_plan(route)
            route.generation = limiter.generation
            return self.plan(route, client)
        return self._dynamic(route, client)

    def fixed_plan(self, route: Route) -> Plan:
        """The plan of what is fixed about a route's limits, whatever the request."""
        return self._limiter.plan(_scopes(route, tuple(x for x in route.limits if x.fixed)))

    def _dynamic(
        self, route: Route, client: str
    ) -> tuple[Plan, Sequence[str], int, tuple[RouteLimit, ...]]:
        limits: list[RouteLimit] = []
        named: dict[tuple[str, str], tuple[Limit, ...]] = {}
        if route.defaults:
            named[route.endpoint, ""] = route.defaults
        cost = 1
        for limit in route.limits:
            # A callable of the user's that fails costs its own limit, never the request.
            try:
                if limit.exempt_when is not None and limit.exempt_when():
                    continue
                given = limit.limits if limit.dynamic is None else parse_limits(limit.dynamic())
                name = limit.scope_name(route.endpoint, route.method)
                own = "" if limit.key_func is None else canonical(str(limit.key_func()))
                cost = max(cost, _cost(limit)) if limits else _cost(limit)
            except Exception as error:
                self._failed("limit", error)
                continue
            named[name, own] = (*named.get((name, own), ()), *given)
            limits.append(limit)
        scopes = tuple(
            Scope(name, limits, own_key=bool(own)) for (name, own), limits in named.items()
        )
        keys = (client, *(own or client for _, own in named))
        return self._limiter.plan(scopes), keys, cost, tuple(limits)

    def _work_out(self, app: Flask, rule: Rule, method: str) -> Route:
        endpoint = rule.endpoint
        label = rule.rule
        if endpoint == "static" or endpoint.endswith(".static"):
            return Route(label, True)
        view = app.view_functions.get(endpoint)
        handlers = [view]
        view_class = getattr(view, "view_class", None)
        if view_class is not None:
            handlers.append(getattr(view_class, method.lower(), None))
        blueprints = _blueprints(endpoint)
        if any(is_exempt(handler, self._owner) for handler in handlers) or any(
            name in self._exempt_blueprints for name in blueprints
        ):
            return Route(label, True)
        if method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
            return Route(label, False)
        own = [x for handler in handlers for x in limits_of(handler, self._owner)]
        if not any(x.override_defaults for x in own):
            for name in blueprints:
                own += self._blueprint_limits.get(name, ())
        own = list(dict.fromkeys(x for x in own if x.applies_to(method)))
        replaced = any(x.override_defaults for x in own)
        return Route(
            label,
            False,
            tuple(own),
            () if replaced else self._defaults,
            endpoint,
            "GET" if method == "HEAD" else method,
        )


NO_ROUTE: Final = Route(UNMATCHED, False)


def _blueprints(endpoint: str) -> list[str]:
    """The names of an endpoint's blueprints, the innermost first."""
    parts = endpoint.split(".")[:-1]
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _scopes(route: Route, limits: tuple[RouteLimit, ...]) -> tuple[Scope, ...]:
    named: dict[str, tuple[Limit, ...]] = {}
    if route.defaults:
        named[route.endpoint] = route.defaults
    for limit in limits:
        name = limit.scope_name(route.endpoint, route.method)
        named[name] = (*named.get(name, ()), *limit.limits)
    return tuple(Scope(name, limits) for name, limits in named.items())


def _fixed_cost(limits: tuple[RouteLimit, ...]) -> int:
    return max((limit.cost for limit in limits if isinstance(limit.cost, int)), default=1)


def _cost(limit: RouteLimit) -> int:
    cost = limit.cost() if callable(limit.cost) else limit.cost
    if isinstance(cost, bool) or not isinstance(cost, int) or cost < 0:
        raise IrlError(f"cost {cost!r} is not allowed: give a whole number, 0 or more")
    return cost
