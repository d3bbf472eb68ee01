"""Serve the endpoints on the whole site: counters, limits, mode, audit log."""

from __future__ import annotations

from typing import Any

from flask_irl.admin.blueprint import blueprint, confined_to, operator
from flask_irl.admin.pagination import offset_and_limit, page_answer
from flask_irl.admin.schemas.requests import LimitsRequest, ModeRequest, PageQuery
from flask_irl.admin.schemas.site import (
    AuditSchema,
    LimitsSchema,
    ModeChangeSchema,
    ModeSchema,
    StatsSchema,
    TenantsSchema,
)
from flask_irl.admin.schemas.status import StatusSchema
from flask_irl.admin.state import current_admin
from flask_irl.operations.results import Limits, ModeChange, Stats
from flask_irl.operations.status import Status


@blueprint.operation("GET", "/stats", StatsSchema, tag="site")
def stats() -> Stats:
    """Show the site's counters"""
    return current_admin().operations.site.stats()


@blueprint.operation("GET", "/status", StatusSchema, tag="site")
def status() -> Status:
    """Show traffic, clients, store, model and what operators changed

    For whoever is on call. While the store doesn't answer, `store` says so, and what only the store
    knows is null.
    """
    return current_admin().operations.status.read()


@blueprint.operation("GET", "/limits", LimitsSchema, tag="site")
def limits() -> dict[str, Any]:
    """Show the limits in force, for each step and route"""
    return _with_routes(current_admin().operations.site.limits())


@blueprint.operation("PUT", "/limits", LimitsSchema, body=LimitsRequest, tag="site")
def change_limits(changes: dict[str, Any]) -> dict[str, Any]:
    """Change limits while the site runs

    Holds in this worker at once, in all others within two seconds, and after restarts.
    """
    return _with_routes(current_admin().operations.site.set_limits(changes, operator()))


@blueprint.operation("GET", "/mode", ModeSchema, tag="site")
def mode() -> dict[str, Any]:
    """Show the mode of the limiter"""
    return {"mode": current_admin().operations.site.mode()}


@blueprint.operation("PUT", "/mode", ModeChangeSchema, body=ModeRequest, tag="site")
def change_mode(change: dict[str, Any]) -> ModeChange:
    """Enforce limits, only watch, or switch off

    Holds in this worker at once, in all others within two seconds, and after restarts.
    """
    return current_admin().operations.site.set_mode(change["mode"], operator())


@blueprint.operation(
    "GET",
    "/tenants",
    TenantsSchema,
    told={403: ("This token is for another tenant.", None)},
    tag="site",
)
def tenants() -> dict[str, Any]:
    """List the app's tenants; for a tenant's own token that one alone

    Each has limits, clients, a model and an audit log of its own: `?tenant=` with any other path
    chooses it. `default` has all requests that are of no other tenant.
    """
    admin = current_admin()
    if admin.tenants is None:
        return {"tenants": []}
    own = confined_to()
    return {"tenants": [own] if own else admin.tenants.names()}


@blueprint.operation("GET", "/audit", AuditSchema, query=PageQuery, paged=True, tag="site")
def audit(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List the changes that operators made, the latest first"""
    offset, limit = offset_and_limit(query)
    entries, total = current_admin().operations.audit.entries(offset=offset, limit=limit)
    return page_answer("changes", entries, total, query)


def _with_routes(limits: Limits) -> dict[str, Any]:
    routes = sorted(current_admin().routes(), key=lambda route: bool(route["exempt"]))
    return {**limits, "routes": routes}
