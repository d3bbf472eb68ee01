"""Show limits and mode, and change them, with their consequences said before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from flask import Response, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.pages import words
from flask_irl.admin.pages.access import visitor
from flask_irl.admin.pages.blueprint import pages
from flask_irl.admin.pages.forms import done, field
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.pages.views.clients import notice_values
from flask_irl.admin.state import current_admin
from flask_irl.config.options import check_option
from flask_irl.config.runtime import check_settings
from flask_irl.errors import ConfigurationError
from flask_irl.limits.plan import Mode
from flask_irl.limits.route_scope import RouteScope
from flask_irl.operations.preview_results import RoutePreview

NAMES: Final = ("base_limit", "window_seconds", "anomaly_threshold")
"""Settings that the form has."""
MODES: Final = get_args(Mode)
NAMED: Final = 3
"""Routes of a scope that are named."""


@pages.get("/page/limits")
def limits() -> Response:
    """Show the limits in force, of the site and of routes."""
    admin = current_admin()
    scopes = {scope.name: scope for scope in admin.scopes()}
    asked = {name: request.args.get(name, "").strip() for name in ("scope", "limits")}
    preview, error = _route_preview(scopes, **asked) if any(asked.values()) else (None, "")
    return page(
        "limits.html",
        scopes=[described_scope(scope) for scope in scopes.values() if not scope.unknown],
        without=[described_scope(scope) for scope in scopes.values() if scope.unknown],
        preview=preview,
        error=error,
        asked=asked,
        limits=admin.operations.site.limits(),
        routes=admin.routes(),
        modes=MODES,
        plans=admin.operations.plans.read(),
        **notice_values(),
    )


def described_scope(scope: RouteScope) -> dict[str, Any]:
    """Describe the requests that count together, for people: routes with their methods."""
    methods: dict[str, list[str]] = {}
    for method, route in scope.routes:
        methods.setdefault(route, []).append(method)
    routes = [f"{', '.join(of)} {route}" for route, of in methods.items()]
    more = len(routes) - NAMED
    return {
        "name": scope.name,
        "routes": "; ".join(routes[:NAMED]) + (f"; and {more} more" if more > 0 else ""),
        "limits": [str(limit) for limit in scope.limits],
        "unknown": scope.unknown,
    }


def _route_preview(
    scopes: Mapping[str, RouteScope], scope: str, limits: str
) -> tuple[RoutePreview | None, str]:
    """Tell how much other limits of a scope would have refused."""
    if scope not in scopes:
        return None, "There are no such routes any more."
    try:
        return current_admin().operations.what_if.route(scopes[scope], limits), ""
    except ConfigurationError as error:
        return None, f"{error}."


@pages.post("/page/limits")
def change_limits() -> Response | BaseResponse:
    """Preview a change of the limits, of a plan or of the mode, or make it."""
    operations = current_admin().operations
    if field("action") == "mode":
        return _change_mode(field("mode"))
    if field("action") == "plan":
        return _change_plan(field("plan"), field("limits"))
    if field("action") != "limits":
        raise BadRequest("There is no such action.")
    sent = {name: check_option(name, field(name)) for name in NAMES if field(name)}
    present = operations.site.settings(NAMES)
    changes = {name: value for name, value in sent.items() if value != present[name]}
    check_settings(changes)
    if not changes:
        raise BadRequest("Nothing is changed by that.")
    if field("sure") == "1":
        operations.site.set_limits(changes, visitor().who)
        return done("limits", "")
    return page(
        "confirm_limits.html",
        present=present,
        changes=changes,
        **_previews(changes, {**present, **changes}),
    )


def _previews(changes: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    what_if = current_admin().operations.what_if
    rates = changes.keys() & {"base_limit", "window_seconds"}
    return {
        "rates": what_if.base_limit(after["base_limit"], after["window_seconds"])
        if rates and after["base_limit"] is not None
        else None,
        "scores": what_if.threshold(after["anomaly_threshold"])
        if "anomaly_threshold" in changes
        else None,
    }


def _change_plan(name: str, limits: str) -> Response | BaseResponse:
    operations = current_admin().operations
    if field("sure") == "1":
        operations.plans.change({"plans": {name: limits}}, visitor().who)
        return done("limits", "")
    rates = operations.what_if.plan(name, limits)
    present = operations.plans.in_force([name])[name]
    if present == rates["limits"]:
        raise BadRequest("Nothing is changed by that.")
    return page("confirm_plan.html", plan=name, limits=limits, present=present, rates=rates)


def _change_mode(mode: str) -> Response | BaseResponse:
    operations = current_admin().operations
    check_settings({"mode": mode})
    present = operations.site.mode()
    if mode == present:
        raise BadRequest(f"The mode is {mode} already.")
    if field("sure") == "1":
        operations.site.set_mode(mode, visitor().who)
        return done("limits", "")
    return page(
        "confirm_mode.html",
        mode=mode,
        present=present,
        consequence=words.MODES[mode],
        flagged=operations.site.stats()["flagged_clients"],
    )
