"""Describe an app's routes with their limits for people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from flask import Flask

from flask_irl.limits.plan import Plan, Scope
from flask_irl.web.routes import Route, RouteTable


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
