"""Which limits a request is under: worked out once per route, looked up from then on.

What is decided here: routes of static files aren't limited; a request that no route matches (404,
405) and Flask's automatic answer to OPTIONS count against the limit on everything, not against a
route's own; HEAD counts as GET.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from flask import Blueprint, Flask
from werkzeug.routing import Rule

from flask_irl.errors import IrlError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision
from flask_irl.limits.keys import canonical
from flask_irl.limits.limit import Limit, parse_limits
from flask_irl.limits.plan import Plan, Scope
from flask_irl.web.decorators import (
    RouteLimit,
    is_exempt,
    is_no_route,
    limits_of,
    of_one_method,
    scope_names,
)

UNMATCHED: Final = "unmatched"


class Notice(NamedTuple):
    """What a limit's 429 says: the scope and the window (seconds) that it is of, and the text."""

    scope: str
    window: int
    message: str


class Asked(NamedTuple):
    """What the limiter is asked about one request.

    Attributes:
        plan: The limits.
        keys: Who counts under each of the plan's scopes; None when the client does everywhere.
        cost: What the request counts for.
        notices: What the limits' 429s say.
    """

    plan: Plan
    keys: Sequence[str] | None
    cost: int
    notices: tuple[Notice, ...]

    def keys_for(self, client: str) -> Sequence[str]:
        """One key for each of the plan's scopes."""
        keys = self.keys
        return (client,) * len(self.plan.scopes) if keys is None else keys

    def message(self, decision: Decision) -> str | None:
        """What the limit that decided says of it."""
        shown = (decision.scope, decision.window_seconds)
        return next((x.message for x in self.notices if (x.scope, x.window) == shown), None)


@dataclass(slots=True)
class Route:
    """What holds for one endpoint and method.

    Attributes:
        label: The rule's text, or ``"unmatched"``: bounded, safe for metrics.
        exempt: Whether it isn't limited at all.
        limits: The decorators' limits that apply.
        defaults: The default limits that apply.
        endpoint: The app's name for it.
        method: The request's method, GET for HEAD.
        names: What each of ``limits`` counts under; ``""`` where each request tells.
        covered: The limits that its decorators need not check: they are in the plan, or don't
            apply.
        asked: What the limiter is asked, when it is the same for every client and request.
        generation: The limiter's generation that ``asked`` is of.
        plainly_refused: Whether a refusal on it was answered by the extension, not by the app.
    """

    label: str
    exempt: bool
    limits: tuple[RouteLimit, ...] = ()
    defaults: tuple[Limit, ...] = ()
    endpoint: str = ""
    method: str = ""
    names: tuple[str, ...] = ()
    covered: tuple[RouteLimit, ...] = ()
    asked: Asked | None = None
    generation: int = -1
    plainly_refused: bool = False

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
        blueprint_limits: The limits of all routes of a blueprint.
        exempt_blueprints: Blueprints that aren't limited.
        failed: Told of a callable of the user's that raised.
    """

    def __init__(
        self,
        owner: object,
        limiter: Limiter,
        defaults: tuple[Limit, ...],
        blueprint_limits: dict[Blueprint, list[RouteLimit]],
        exempt_blueprints: set[Blueprint],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._owner = owner
        self._limiter = limiter
        self._defaults = defaults
        self._blueprint_limits = blueprint_limits
        self._exempt_blueprints = exempt_blueprints
        self._failed = failed
        self._routes: dict[tuple[str, str, str], Route] = {}
        self._unmatched = Route(UNMATCHED, False)

    def of(self, app: Flask, rule: Rule | None, method: str) -> Route:
        """The route that a rule and a method make; the rule is None where none matches."""
        if rule is None:
            return self._unmatched
        key = (rule.rule, rule.endpoint, method)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = self._work_out(app, rule, method)
        return route

    def described(self, app: Flask, besides: Collection[str] = ()) -> list[dict[str, Any]]:
        """Each rule's ``route``, ``methods``, ``limits`` and ``exempt``, for people to read; but
        not of blueprints that go by certain names."""
        return [
            {
                "route": rule.rule,
                "methods": methods,
                "limits": _texts(route),
                "exempt": route.exempt,
            }
            for rule in app.url_map.iter_rules()
            if rule.endpoint.rpartition(".")[0] not in besides
            if (methods := sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            for route in [self.of(app, rule, methods[0])]
        ]

    def alone(self, limit: RouteLimit, label: str, endpoint: str, method: str) -> Route:
        """The route of a limit on a function that is no view, called in a request."""
        method = "GET" if method == "HEAD" else method
        name = "" if callable(limit.shared) else limit.scope_name(limit.name, method)
        return Route(label, False, (limit,), (), endpoint, method, (name,))

    def ask(self, route: Route, client: str) -> Asked:
        """What the limiter is asked about a client's request."""
        asked = self.ask_fixed(route)
        return self._dynamic(route, client) if asked is None else asked

    def ask_fixed(self, route: Route) -> Asked | None:
        """The same, where it is the same for every client and request; else None."""
        generation = self._limiter.plans.generation
        if route.asked is not None and route.generation == generation:
            return route.asked
        if not route.fixed:
            return None
        notices = tuple(
            notice
            for name, limit in zip(route.names, route.limits, strict=True)
            for notice in _notices(name, limit, limit.limits)
        )
        route.asked = Asked(self.fixed_plan(route), None, _fixed_cost(route.limits), notices)
        route.generation = generation
        return route.asked

    def fixed_plan(self, route: Route) -> Plan:
        """The plan of what is fixed about a route's limits, whatever the request."""
        return self._limiter.plan(_scopes(route))

    def _dynamic(self, route: Route, client: str) -> Asked:
        scopes = list(_scopes(route))
        keys = [client] * (1 + len(scopes))
        notices: list[Notice] = []
        costs: list[int] = []
        for name, limit in zip(route.names, route.limits, strict=True):
            if not limit.fixed:
                # A callable of the user's that fails may cost its own limit, never the request.
                try:
                    if self._spared(limit):
                        continue
                    given = limit.limits if limit.dynamic is None else parse_limits(limit.dynamic())
                    name = name or limit.scope_name(route.endpoint, route.method)
                except Exception as error:
                    self._failed("limit", error)
                    continue
                own = self._own_key(limit)
                scopes.append(Scope(name, given, own_key=own is not None))
                keys.append(own or client)
                notices += _notices(name, limit, given)
            else:
                notices += _notices(name, limit, limit.limits)
            costs.append(self._cost(limit))
        plan = self._limiter.plan(tuple(scopes))
        return Asked(plan, keys, max(costs, default=1), tuple(notices))

    def _spared(self, limit: RouteLimit) -> bool:
        try:
            return limit.exempt_when is not None and bool(limit.exempt_when())
        except Exception as error:
            self._failed("exempt_when", error)
            return False

    def _own_key(self, limit: RouteLimit) -> str | None:
        """Who a limit's own key function says is counted; None for the client itself."""
        if limit.key_func is None:
            return None
        try:
            key = limit.key_func()
            return canonical(str(key)) if key else None
        except Exception as error:
            self._failed("key_func", error)
            return None

    def _cost(self, limit: RouteLimit) -> int:
        """What a request costs by one limit; 1 if that can't be told."""
        if not callable(limit.cost):
            return limit.cost
        try:
            cost = limit.cost()
            if isinstance(cost, bool) or not isinstance(cost, int) or cost < 0:
                raise IrlError(f"cost {cost!r} is not allowed: give a whole number, 0 or more")
        except Exception as error:
            self._failed("cost", error)
            return 1
        return cost

    def _work_out(self, app: Flask, rule: Rule, method: str) -> Route:
        endpoint = rule.endpoint
        label = rule.rule
        found = (app.blueprints.get(name) for name in _blueprints(endpoint))
        blueprints = [blueprint for blueprint in found if isinstance(blueprint, Blueprint)]
        owner = blueprints[0] if blueprints else app
        if endpoint.rpartition(".")[2] == "static" and owner.has_static_folder:
            return Route(label, True)
        view = app.view_functions.get(endpoint)
        if is_no_route(view):
            return self._unmatched
        handler, handled = _handler(view, method)
        if any(is_exempt(x, self._owner) for x in (view, handler)) or any(
            blueprint in self._exempt_blueprints for blueprint in blueprints
        ):
            return Route(label, True)
        if method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
            return Route(label, False)
        marks = limits_of(view, self._owner)
        of_method = [x for x in limits_of(handler, self._owner) if x not in marks]
        own = [*marks, *(of_one_method(x, handled) for x in of_method)]
        own = [x for x in own if x.applies_to(method)]
        if not any(x.override_defaults for x in own):
            for blueprint in blueprints:
                own += self._blueprint_limits.get(blueprint, [])
        own = list(dict.fromkeys(x for x in own if x.applies_to(method)))
        defaults = () if any(x.override_defaults for x in own) else self._defaults
        method = "GET" if method == "HEAD" else method
        return Route(
            label,
            False,
            tuple(own),
            defaults,
            endpoint,
            method,
            scope_names(own, endpoint, method, {endpoint} if defaults else set()),
            (*marks, *of_method),
        )


def _blueprints(endpoint: str) -> list[str]:
    """The names of an endpoint's blueprints, the innermost first."""
    parts = endpoint.split(".")[:-1]
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _handler(view: object, method: str) -> tuple[object, str]:
    """The method of a view class that serves an HTTP method, and which one it is written for."""
    view_class = getattr(view, "view_class", None)
    found = getattr(view_class, method.lower(), None)
    if found is None and method == "HEAD":
        return getattr(view_class, "get", None), "GET"
    return found, method


def _scopes(route: Route) -> tuple[Scope, ...]:
    """The scopes of a route's fixed limits."""
    named: dict[str, tuple[Limit, ...]] = {}
    shared: list[Scope] = []
    if route.defaults:
        named[route.endpoint] = route.defaults
    for name, limit in zip(route.names, route.limits, strict=True):
        if not limit.fixed:
            continue
        if limit.shared is None:
            named[name] = (*named.get(name, ()), *limit.limits)
        else:
            # Routes that share it may have other limits beside it: it counts apart from those.
            shared.append(Scope(name, limit.limits))
    return (*(Scope(name, limits) for name, limits in named.items()), *shared)


def _notices(name: str, limit: RouteLimit, given: tuple[Limit, ...]) -> list[Notice]:
    message = limit.error_message
    return [] if message is None else [Notice(name, x.window_seconds, message) for x in given]


def _fixed_cost(limits: tuple[RouteLimit, ...]) -> int:
    return max((limit.cost for limit in limits if isinstance(limit.cost, int)), default=1)


def _texts(route: Route) -> list[str]:
    texts = [str(limit) for limit in route.defaults]
    for limit in route.limits:
        shared = " (shared)" if limit.shared is not None else ""
        texts += [f"{fixed}{shared}" for fixed in limit.limits] or [f"of each request{shared}"]
    return texts
