"""Describe the routes of an app with their limits, for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flask import Flask

from flask_irl.web.routes import Route, RouteTable


def describe(table: RouteTable, app: Flask, besides: Collection[str] = ()) -> list[dict[str, Any]]:
    """Describe each rule: ``route``, ``methods``, ``limits`` and ``exempt``.

    Args:
        table: Looks up the app's routes.
        app: The app.
        besides: Names of blueprints that are left out.
    """
    found = []
    for rule in app.url_map.iter_rules():
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if not methods or rule.endpoint.rpartition(".")[0] in besides:
            continue
        for name, routes in table.named(app, rule, methods).items():
            found.append(
                {
                    "route": name,
                    "methods": methods,
                    "limits": _texts_of(dict(zip(methods, routes, strict=True))),
                    "exempt": all(route.exempt for route in routes),
                }
            )
    return found


def _texts_of(routes: Mapping[str, Route]) -> list[str]:
    """List the limits of a rule's methods, with the methods where they aren't all."""
    methods: dict[str, list[str]] = {}
    for method, route in routes.items():
        for text in _texts(route):
            methods.setdefault(text, []).append(method)
    return [
        text if len(of) >= len(routes) else f"{text} ({', '.join(of)})"
        for text, of in methods.items()
    ]


def _texts(route: Route) -> list[str]:
    texts = [str(limit) for limit in route.defaults]
    for limit in route.limits:
        shared = " (shared)" if limit.shared is not None else ""
        texts += [f"{fixed}{shared}" for fixed in limit.limits] or [f"of each request{shared}"]
    return texts
