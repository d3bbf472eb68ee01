"""Describe the scopes of an app's routes: the requests that count together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from flask import Flask
from werkzeug.routing import Rule

from flask_irl.behaviour.course_routes import METHODS
from flask_irl.limits.limit import Limit
from flask_irl.limits.route_scope import RouteScope
from flask_irl.web.limit_rules import APPLICATION
from flask_irl.web.route_limits import RouteLimit
from flask_irl.web.routes import Route, RouteTable
from flask_irl.web.scopes import scopes_of

BY_REQUEST: Final = "depends on the request, by a function of the app's"
BY_COST: Final = "counts in units that differ from requests"
BY_ANSWER: Final = "counts by the answer"
DIFFERS: Final = "has other limits on another of its routes"
BY_PATH: Final = "holds for some of a rule's paths, by a pattern of IRL_LIMITS or IRL_EXEMPT"
ON_ALL: Final = "counts all routes together: try it as another base limit"
BY_METHOD: Final = f"counts methods of which no courses are kept: only {', '.join(METHODS)}"
BY_HOST: Final = "counts a rule that other endpoints have, too, such as on another host"


@dataclass(slots=True)
class _Found:
    """Gather a scope."""

    limits: tuple[Limit, ...]
    routes: dict[tuple[str, str], None] = field(default_factory=dict)
    unknown: str = ""


def described_scopes(table: RouteTable, app: Flask, besides: Collection[str]) -> list[RouteScope]:
    """List the scopes of an app's routes; of a route without limits, its endpoint's.

    Args:
        table: The app's routes.
        app: The app.
        besides: Names of blueprints that are left out.
    """
    found: dict[str, _Found] = {}
    endpoints: dict[tuple[str, str], set[str]] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.rpartition(".")[0] in besides:
            continue
        for method, route in _routes(table, app, rule):
            pair = (method, route.label)
            endpoints.setdefault(pair, set()).add(rule.endpoint)
            by_path = BY_PATH if table.configured.parts(rule) else ""
            for name, limits, unknown in _limits_of(route):
                scope = found.setdefault(name, _Found(limits))
                differs = DIFFERS if scope.limits != limits else ""
                scope.routes[pair] = None
                scope.unknown = scope.unknown or unknown or by_path or differs
    shared = {pair for pair, of in endpoints.items() if len(of) > 1}
    return [
        RouteScope(name, tuple(scope.routes), scope.limits, scope.unknown or _why(scope, shared))
        for name, scope in found.items()
    ]


def _routes(table: RouteTable, app: Flask, rule: Rule) -> Iterator[tuple[str, Route]]:
    """Give a rule's routes that are limited, by method."""
    for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
        route = table.route(app, rule, method, path="")
        if not route.exempt and route.endpoint:
            yield method, route


def _limits_of(route: Route) -> Iterator[tuple[str, tuple[Limit, ...], str]]:
    """Give a route's scopes: the name, the limits, and why no preview can be given."""
    own = [limit for limit in route.limits if limit.role != "breach"]
    in_units = any(limit.cost != 1 for limit in own if not limit.own_cost)
    ways: dict[str, str] = {}
    for limit, name in zip(route.limits, route.names, strict=True):
        if limit in own:
            ways[name or route.endpoint] = _way(limit) or (BY_COST if in_units else "")
    fixed: dict[str, tuple[Limit, ...]] = {}
    for scope in scopes_of(route):
        if scope.role != "breach":
            fixed[scope.name] = (*fixed.get(scope.name, ()), *scope.limits)
    for name, way in {**dict.fromkeys(fixed, BY_COST if in_units else ""), **ways}.items():
        yield name, fixed.get(name, ()), way
    if not route.defaults and all(limit.shared == APPLICATION for limit in own):
        yield route.endpoint, (), ""


def _way(limit: RouteLimit) -> str:
    """Say why a limit has no preview; empty if it has one."""
    if not limit.fixed:
        return BY_REQUEST
    if limit.shared == APPLICATION:
        return ON_ALL
    if limit.role != "count":
        return BY_ANSWER
    return "" if limit.cost == 1 else BY_COST


def _why(scope: _Found, shared: Collection[tuple[str, str]]) -> str:
    if any(method not in METHODS for method, _ in scope.routes):
        return BY_METHOD
    return BY_HOST if any(pair in shared for pair in scope.routes) else ""
