"""Find the app's own routes for the requests of an access log: their plans, and which log in."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from flask import Flask
from werkzeug.routing import Rule

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.plan import Plan
from flask_irl.web.routes import Route
from flask_irl.web.state import AppState


def plans_for_log(app: Flask, state: AppState) -> Callable[[Limiter, str, str], Plan | None]:
    """Give a function that finds the plan of a logged request.

    The function takes a limiter, the text of a route's rule and a method. It returns the plan of
    the app's own route where one fits, else the plan of the base limit alone, and None for a route
    that isn't limited. A limit that depends on the request (a callable) can't be known from a log
    and is left out.
    """
    rules = _rules(app)
    plans: dict[tuple[int, int, int], Plan | None] = {}

    @lru_cache(maxsize=2048)
    def route_of(label: str, method: str) -> Route:
        # The table keeps a bounded number of routes, however many methods a log invents.
        return state.routes.route(app, _rule(rules, label, method), method, path="")

    def plan(limiter: Limiter, label: str, method: str) -> Plan | None:
        route = route_of(label, method)
        key = (id(limiter), limiter.plans.generation, id(route))
        if key not in plans:
            plans[key] = state.fixed_plan(limiter, route)
        return plans[key]

    return plan


def logins_for_log(app: Flask, state: AppState) -> Callable[[str, str], int]:
    """Give a function that finds the app's word on whether a logged request logs in.

    The function takes the text of a route's rule, or of a pattern of paths, and a method.
    """
    rules = _rules(app)

    @lru_cache(maxsize=2048)
    def login(label: str, method: str) -> int:
        rule = _rule(rules, label, method)
        if rule is None:
            return state.routes.logins.word_on(label)
        return state.routes.route(app, rule, method).login

    return login


def _rules(app: Flask) -> dict[str, list[Rule]]:
    rules: dict[str, list[Rule]] = {}
    for rule in app.url_map.iter_rules():
        rules.setdefault(rule.rule, []).append(rule)
    return rules


def _rule(rules: dict[str, list[Rule]], label: str, method: str) -> Rule | None:
    # Several rules may have one text, each for methods of its own.
    return next((r for r in rules.get(label, ()) if _serves(r, method)), None)


def _serves(rule: Rule, method: str) -> bool:
    return rule.methods is None or method in rule.methods
