"""Find the plans of the app's own routes for the requests of an access log."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from werkzeug.routing import Rule

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.plan import Plan
from flask_irl.web.state import AppState


def plans_for_log(app: Flask, state: AppState) -> Callable[[Limiter, str, str], Plan | None]:
    """Give a function that finds the plan of a logged request.

    The function takes a limiter, the text of a route's rule and a method. It returns the plan of
    the app's own route where one fits, else the plan of the base limit alone, and None for a route
    that isn't limited. A limit that depends on the request (a callable) can't be known from a log
    and is left out.
    """
    rules: dict[str, list[Rule]] = {}
    for rule in app.url_map.iter_rules():
        rules.setdefault(rule.rule, []).append(rule)
    plans: dict[tuple[int, int, int], Plan | None] = {}

    def plan(limiter: Limiter, label: str, method: str) -> Plan | None:
        # Several rules may have one text, each for methods of its own.
        rule = next((r for r in rules.get(label, ()) if _serves(r, method)), None)
        # The table keeps a bounded number of routes, however many methods a log invents.
        route = state.routes.route(app, rule, method, path="")
        key = (id(limiter), limiter.plans.generation, id(route))
        if key not in plans:
            plans[key] = state.fixed_plan(limiter, route)
        return plans[key]

    return plan


def _serves(rule: Rule, method: str) -> bool:
    return rule.methods is None or method in rule.methods
