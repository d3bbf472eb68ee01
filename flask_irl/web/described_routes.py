"""Describe an app's routes with their limits for people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from flask import Flask

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.route_scope import RouteScope
from flask_irl.web.described_scopes import described_scopes
from flask_irl.web.questions import fixed_plan
from flask_irl.web.routes import Route, RouteTable


class OwnRoutes:
    """Describe the routes of an app, but not those of its limiter.

    Attributes:
        own_blueprints: Names of the admin API's blueprints.
    """

    limiter: Limiter
    routes: RouteTable
    own_blueprints: Collection[str] = ()

    def described_routes(self, app: Flask) -> list[dict[str, Any]]:
        """Describe an app's routes with their limits for people, limited ones first."""
        found = described_routes(self.routes, app, self.own_blueprints)
        return sorted(found, key=lambda route: bool(route["exempt"]))

    def described_scopes(self, app: Flask) -> list[RouteScope]:
        """Describe the requests to an app's routes that count together."""
        return described_scopes(self.routes, app, self.own_blueprints)

    def fixed_plan(self, limiter: Limiter, route: Route) -> Plan | None:
        """Make the plan of a route's fixed limits for any limiter; None where it is exempt."""
        return None if route.exempt else fixed_plan(limiter, route)

    def fixed_plans(self, app: Flask) -> list[Plan]:
        """List the plans of an app's routes by their fixed limits, each once."""
        plan_of = partial(self.fixed_plan, self.limiter)
        return fixed_plans(self.routes, app, self.own_blueprints, plan_of)


def described_routes(
    table: RouteTable, app: Flask, besides: Collection[str]
) -> list[dict[str, Any]]:
    """Describe each rule: ``route``, ``methods``, ``limits`` and ``exempt``.

    Where a pattern of the configuration matches some of a rule's paths, these are described, too.

    Args:
        table: The app's routes.
        app: The app.
        besides: Names of blueprints that are left out.
    """
    found = []
    for rule in app.url_map.iter_rules():
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if not methods or rule.endpoint.rpartition(".")[0] in besides:
            continue
        routes = {method: table.route(app, rule, method, path="") for method in methods}
        found.append(_described(rule.rule, methods, routes))
        for pattern in table.configured.parts(rule):
            routes = {method: table.part(app, rule, method, [pattern.text]) for method in methods}
            found.append(_described(f"{rule.rule} ({pattern.text})", methods, routes))
    return found


def fixed_plans(
    table: RouteTable, app: Flask, besides: Collection[str], plan_of: Callable[[Route], Plan | None]
) -> list[Plan]:
    """List the plans of an app's routes by their fixed limits, each once.

    Args:
        table: The app's routes.
        app: The app.
        besides: Names of blueprints that are left out.
        plan_of: Makes a route's plan; None where it is exempt.
    """
    found: dict[tuple[Scope, ...], Plan] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.rpartition(".")[0] in besides:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            plan = plan_of(table.route(app, rule, method, path=""))
            if plan is not None:
                found.setdefault(plan.scopes, plan)
    return list(found.values())


def _described(name: str, methods: list[str], routes: Mapping[str, Route]) -> dict[str, Any]:
    return {
        "route": name,
        "methods": methods,
        "limits": _texts_of(routes),
        "exempt": all(route.exempt for route in routes.values()),
    }


def _texts_of(routes: Mapping[str, Route]) -> list[str]:
    """List the limits of a rule's methods, with the methods where they aren't all."""
    methods: dict[str, list[str]] = {}
    for method, route in routes.items():
        for text in route.texts():
            methods.setdefault(text, []).append(method)
    return [
        text if len(of) >= len(routes) else f"{text} ({', '.join(of)})"
        for text, of in methods.items()
    ]
