"""Serve the endpoints on rate plans."""

from __future__ import annotations

from typing import Any, Final

from werkzeug.exceptions import NotFound

from flask_irl.admin.blueprint import blueprint, operator
from flask_irl.admin.pagination import offset_and_limit, page_answer
from flask_irl.admin.schemas.plans import (
    AssignedPlanSchema,
    AssignedPlansSchema,
    PlanRemovedSchema,
    PlanRequest,
    PlansRequest,
    PlansSchema,
)
from flask_irl.admin.schemas.requests import PageQuery
from flask_irl.admin.state import current_admin
from flask_irl.operations.plan_results import AssignedPlan, PlanList

NETWORK: Final = (
    "203.0.113.0/24 is a network: plans are those of clients; a network can have an override"
)
NO_PLAN: Final = "plan is 'gold', which is no plan; there are: free, pro"
NO_DEFAULT: Final = "default_plan is 'gold', which is no plan then; there are: free, pro"
PAGE: Final = "Must be greater than or equal to 1 and less than or equal to 100000."


@blueprint.operation("GET", "/plans", PlansSchema, tag="plans")
def plans() -> PlanList:
    """Show the rate plans in force

    Those of the configuration, as operators have changed them; the list is empty where there are
    none.
    """
    return current_admin().operations.plans.read()


@blueprint.operation(
    "PUT",
    "/plans",
    PlansSchema,
    body=PlansRequest,
    told={422: (NO_DEFAULT, {"default_plan": [NO_DEFAULT]})},
    tag="plans",
)
def change_plans(changes: dict[str, Any]) -> PlanList:
    """Change rate plans while the site runs

    Holds in this worker at once, in all others within two seconds, and after restarts. Requests
    that were counted under a plan stay counted while its windows are as long as before. A plan that
    clients are assigned to, or that is the default, can't be removed.
    """
    return current_admin().operations.plans.change(changes, operator())


@blueprint.operation(
    "GET",
    "/plans/clients",
    AssignedPlansSchema,
    query=PageQuery,
    paged=True,
    told={422: (f"page: {PAGE}", {"page": [PAGE]})},
    tag="plans",
)
def assigned_plans(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List the clients that are assigned a plan, the longest first

    Clients whose plan is told by their API key or by the app aren't among them.
    """
    offset, limit = offset_and_limit(query)
    entries, total = current_admin().operations.plans.assigned(offset=offset, limit=limit)
    return page_answer("clients", entries, total, query)


@blueprint.operation(
    "PUT",
    "/client/<irl_client:id>/plan",
    AssignedPlanSchema,
    body=PlanRequest,
    told={422: (NO_PLAN, {"plan": [NO_PLAN]})},
    tag="plans",
)
def assign_plan(change: dict[str, Any], id: str) -> AssignedPlan:
    """Assign a client a plan for a time, whatever its key or the app says

    Holds in this worker at once, in all others within two seconds, and after restarts. The client
    need not be known yet. An override of the client goes before its plan.
    """
    operations = current_admin().operations
    return operations.plans.assign(
        id,
        change["plan"],
        seconds=operations.seconds(change.get("seconds"), change.get("until")),
        reason=change["reason"],
        who=operator(),
    )


@blueprint.operation(
    "DELETE",
    "/client/<irl_client:id>/plan",
    PlanRemovedSchema,
    errors=(404, 422),
    told={404: ("Client 203.0.113.7 is assigned no plan.", None), 422: (NETWORK, None)},
    tag="plans",
)
def unassign_plan(id: str) -> dict[str, Any]:
    """Take the plan back that a client is assigned

    Then its API key's plan holds, or the app's, or the default. Holds in this worker at once, in
    all others within two seconds.
    """
    operations = current_admin().operations
    key = operations.clients.key_of(id)
    if not operations.plans.unassign(id, operator()):
        raise NotFound(f"Client {key} is assigned no plan.")
    return {"client": key, "removed": True}
