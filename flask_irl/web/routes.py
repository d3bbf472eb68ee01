"""Work out the limits of each route of an app: once, looked up from then on.

Routes of static files aren't limited; a request that no route matches (404, 405) and Flask's
automatic answer to OPTIONS count against the limit on all requests, not against a route's own;
HEAD counts as GET.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Flask
from werkzeug.routing import Rule

from flask_irl.behaviour.observation import BY_NAME
from flask_irl.limits.limit import Limit
from flask_irl.web.decorators import Declarations, is_exempt, is_no_route, limits_of
from flask_irl.web.logins import Logins
from flask_irl.web.route_limits import RouteLimit, of_one_method, scope_names

UNMATCHED: Final = "unmatched"
METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)
OTHER_METHOD: Final = "OTHER"
"""Stands for every method that a client may have invented."""


@dataclass(slots=True)
class Route:
    """Hold the limits of one endpoint and method.

    Attributes:
        label: The rule's text, or ``"unmatched"``: bounded, safe for metrics.
        exempt: Whether it isn't limited at all.
        limits: The decorators' limits that apply.
        defaults: The default limits that apply.
        endpoint: The app's name for it.
        method: The request's method, GET for HEAD.
        names: The scope of each of ``limits``; ``""`` where it depends on the request.
        covered: The limits that its decorators need not check: they are in the plan, or don't
            apply.
        question: The question to the limiter, where it is the same for every client and request.
        generation: The generation of plans that ``question`` is of.
        plainly_refused: Whether a refusal on it was answered by the extension, not by the app.
        login: The app's word on whether it logs in.
    """

    label: str
    exempt: bool
    limits: tuple[RouteLimit, ...] = ()
    defaults: tuple[Limit, ...] = ()
    endpoint: str = ""
    method: str = ""
    names: tuple[str, ...] = ()
    covered: tuple[RouteLimit, ...] = ()
    question: Any = None
    generation: int = -1
    plainly_refused: bool = False
    login: int = BY_NAME

    @property
    def fixed(self) -> bool:
        """Tell whether its plan is the same for every request."""
        return all(limit.fixed for limit in self.limits)


class RouteTable:
    """Look up the routes of an app.

    Args:
        owner: The extension whose decorators count.
        defaults: The default limits of routes.
        declarations: The extension's.
        logins: The routes that log in.
    """

    def __init__(
        self,
        owner: object,
        defaults: tuple[Limit, ...],
        declarations: Declarations,
        logins: Logins,
    ) -> None:
        self._owner = owner
        self._defaults = defaults
        self._declarations = declarations
        self.logins = logins
        self._routes: dict[tuple[str, str, str], Route] = {}
        self._unmatched = Route(UNMATCHED, False)

    def __len__(self) -> int:
        return len(self._routes)

    def route(self, app: Flask, rule: Rule | None, method: str) -> Route:
        """Give the route of a rule and a method; the rule is None where none matches."""
        if rule is None:
            return self._unmatched
        if rule.methods is None and method not in METHODS:
            method = self._bounded(app, rule, method)
        key = (rule.rule, rule.endpoint, method)
        route = self._routes.get(key)
        if route is None:
            if not self._routes:
                self.logins.report_unknown(app.url_map)
            route = self._routes[key] = self._work_out(app, rule, method)
        return route

    def described(self, app: Flask, besides: Collection[str] = ()) -> list[dict[str, Any]]:
        """Describe each rule for people: ``route``, ``methods``, ``limits`` and ``exempt``.

        Args:
            app: The app.
            besides: Names of blueprints that are left out.
        """
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
            for route in [self.route(app, rule, methods[0])]
        ]

    def alone(self, limit: RouteLimit, label: str, endpoint: str, method: str) -> Route:
        """Make a route of a limit on a function that is no view, called in a request."""
        method = "GET" if method == "HEAD" else method
        name = "" if callable(limit.shared) else limit.scope_name(limit.name, method)
        return Route(label, False, (limit,), (), endpoint, method, (name,))

    def _bounded(self, app: Flask, rule: Rule, method: str) -> str:
        """Fold the methods that nobody named into one: a rule without methods takes any."""
        view, handler, _, blueprints = self._views(app, rule, method)
        limits = [*limits_of(view, self._owner), *limits_of(handler, self._owner)]
        for blueprint in blueprints:
            limits += self._declarations.blueprint_limits.get(blueprint, [])
        named = any(limit.methods is not None and method in limit.methods for limit in limits)
        return method if named else OTHER_METHOD

    def _views(
        self, app: Flask, rule: Rule, method: str
    ) -> tuple[object, object, str, list[Blueprint]]:
        """Find a rule's view, its handler of a method with that method, and its blueprints."""
        view = app.view_functions.get(rule.endpoint)
        found = (app.blueprints.get(name) for name in _blueprints(rule.endpoint))
        blueprints = [blueprint for blueprint in found if isinstance(blueprint, Blueprint)]
        return view, *_handler(view, method), blueprints

    def _work_out(self, app: Flask, rule: Rule, method: str) -> Route:
        endpoint = rule.endpoint
        label = rule.rule
        view, handler, handled, blueprints = self._views(app, rule, method)
        owner = blueprints[0] if blueprints else app
        if endpoint.rpartition(".")[2] == "static" and owner.has_static_folder:
            return Route(label, True)
        if is_no_route(view):
            return self._unmatched
        if any(is_exempt(x, self._owner) for x in (view, handler)) or any(
            blueprint in self._declarations.exempt_blueprints for blueprint in blueprints
        ):
            return Route(label, True)
        login = self.logins.word_on(
            label, endpoint, (view, handler, getattr(view, "view_class", None))
        )
        if method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
            return Route(label, False, login=login)
        marks = limits_of(view, self._owner)
        of_method = [x for x in limits_of(handler, self._owner) if x not in marks]
        own = [*marks, *(of_one_method(x, handled) for x in of_method)]
        own = [x for x in own if x.applies_to(method)]
        if not any(x.override_defaults for x in own):
            for blueprint in blueprints:
                own += self._declarations.blueprint_limits.get(blueprint, [])
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
            login=login,
        )


def _blueprints(endpoint: str) -> list[str]:
    """Name the blueprints of an endpoint, the innermost first."""
    parts = endpoint.split(".")[:-1]
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _handler(view: object, method: str) -> tuple[object, str]:
    """Find the method of a view class that serves an HTTP method, and its own HTTP method."""
    view_class = getattr(view, "view_class", None)
    found = getattr(view_class, method.lower(), None)
    if found is None and method == "HEAD":
        return getattr(view_class, "get", None), "GET"
    return found, method


def _texts(route: Route) -> list[str]:
    texts = [str(limit) for limit in route.defaults]
    for limit in route.limits:
        shared = " (shared)" if limit.shared is not None else ""
        texts += [f"{fixed}{shared}" for fixed in limit.limits] or [f"of each request{shared}"]
    return texts
