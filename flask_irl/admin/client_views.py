"""The admin API's operations on clients."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import NotFound

from flask_irl.admin.answers import (
    ClientSchema,
    ClientsSchema,
    FeedbackSchema,
    OverriddenSchema,
    OverrideRemovedSchema,
    ResetSchema,
)
from flask_irl.admin.blueprint import blueprint, who
from flask_irl.admin.pages import offset_and_limit, page_answer
from flask_irl.admin.schemas import ClientsQuery, FeedbackRequest, OverrideRequest
from flask_irl.admin.state import current_admin
from flask_irl.limits.keys import canonical


@blueprint.operation(
    "GET", "/clients", ClientsSchema, query=ClientsQuery, paged=True, tag="clients"
)
def clients(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The most active, most anomalous, most refused or flagged clients"""
    offset, limit = offset_and_limit(query)
    entries, total = current_admin().operations.clients(
        order=query["order"], step=query.get("step"), offset=offset, limit=limit
    )
    return page_answer("clients", entries, total, query)


@blueprint.operation("GET", "/client/<irl_client:id>", ClientSchema, errors=(404,), tag="clients")
def client(id: str) -> dict[str, Any]:
    """All that is known of a client, and why it is judged as it is"""
    operations = current_admin().operations
    found = operations.client(operations.key_of(id))
    if found is None:
        raise _unknown(id)
    return found


@blueprint.operation("POST", "/reset/<irl_client:id>", ResetSchema, errors=(404,), tag="clients")
def reset(id: str) -> dict[str, Any]:
    """Forget a client: its counts, its profile and its step

    A worker that is refusing the client at the moment may go on for up to two seconds.
    """
    key = current_admin().operations.key_of(id)
    if not current_admin().operations.reset(key, who()):
        raise _unknown(id)
    return {"client": key, "reset": True}


@blueprint.operation(
    "PUT",
    "/client/<irl_client:id>/override",
    OverriddenSchema,
    body=OverrideRequest,
    tag="clients",
)
def override(change: dict[str, Any], id: str) -> dict[str, Any]:
    """Allow, block or limit a client for a time, whatever it does

    Holds in all workers at once; but one that is refusing the client at the moment may go on for up
    to two seconds. The client need not be known yet.
    """
    return current_admin().operations.set_override(
        current_admin().operations.key_of(id),
        change["kind"],
        amount=change.get("amount", 0),
        seconds=change["seconds"],
        reason=change["reason"],
        who=who(),
    )


@blueprint.operation(
    "DELETE",
    "/client/<irl_client:id>/override",
    OverrideRemovedSchema,
    errors=(404,),
    tag="clients",
)
def remove_override(id: str) -> dict[str, Any]:
    """Leave a client to the limiter again

    A worker that is refusing the client at the moment may go on for up to two seconds.
    """
    key = current_admin().operations.key_of(id)
    if not current_admin().operations.clear_override(key, who()):
        raise NotFound(f"Client {key} has no override.")
    return {"client": key, "removed": True}


@blueprint.operation(
    "POST",
    "/client/<irl_client:id>/feedback",
    FeedbackSchema,
    body=FeedbackRequest,
    errors=(404,),
    tag="clients",
)
def feedback(change: dict[str, Any], id: str) -> dict[str, Any]:
    """Note that a client is good, or an abuser; kept with its profile

    Models learn from it. Who is good is no longer held down on a model's word, only by limits and
    rules, and mends as any other.
    """
    key = current_admin().operations.key_of(id)
    if not current_admin().operations.feedback(key, change["verdict"], who()):
        raise _unknown(id)
    return {"client": key, "verdict": change["verdict"]}


def _unknown(id: str) -> NotFound:
    return NotFound(f"No client {canonical(id)} is known.")
