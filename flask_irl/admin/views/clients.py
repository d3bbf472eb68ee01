"""Serve the endpoints on clients."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import NotFound

from flask_irl.admin.blueprint import blueprint, operator
from flask_irl.admin.pagination import offset_and_limit, page_answer
from flask_irl.admin.schemas.clients import (
    ClientSchema,
    ClientsSchema,
    FeedbackSchema,
    OverriddenSchema,
    OverrideRemovedSchema,
    ResetSchema,
)
from flask_irl.admin.schemas.courses import CourseSchema
from flask_irl.admin.schemas.requests import ClientsQuery, FeedbackRequest, OverrideRequest
from flask_irl.admin.state import current_admin
from flask_irl.limits.keys import canonical
from flask_irl.operations.courses import ClientCourse
from flask_irl.operations.ids import is_no_client
from flask_irl.operations.results import ClientOverride, ClientResult


@blueprint.operation(
    "GET", "/clients", ClientsSchema, query=ClientsQuery, paged=True, tag="clients"
)
def clients(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List the most active, most anomalous, most refused or flagged clients, or search for some

    All figures are as of now, and fade while a client sends nothing. Networks that are overridden
    are listed with `order=overridden`, and found by `q`.
    """
    offset, limit = offset_and_limit(query)
    on_clients = current_admin().operations.clients
    text, route = query["q"], query["route"]
    names = ("order", "step", "plan", "country", "sort", "ascending")
    chosen = {name: query[name] for name in names if name in query}
    if text or route:
        entries, total = on_clients.find(text, route=route, offset=offset, limit=limit, **chosen)
    else:
        entries, total = on_clients.ranked(offset=offset, limit=limit, **chosen)
    return page_answer("clients", entries, total, query)


@blueprint.operation(
    "GET", "/client/<irl_client:id>", ClientSchema, errors=(404, 422), tag="clients"
)
def client(id: str) -> ClientResult:
    """Show a client's profile and verdict, and the reasons for them"""
    on_clients = current_admin().operations.clients
    result = on_clients.describe(on_clients.key_of(id))
    if result is None:
        raise _unknown(id)
    return result


@blueprint.operation(
    "GET", "/course/<irl_client:id>", CourseSchema, errors=(404, 422), tag="clients"
)
def course(id: str) -> ClientCourse:
    """Show a client's course over the last day: requests, scores, flag and relief

    In slots of five minutes. A client whose course isn't kept has no slots.
    """
    operations = current_admin().operations
    key = operations.clients.key_of(id)
    found = operations.course(key)
    if not found["kept"] and operations.clients.describe(key) is None:
        raise _unknown(id)
    return found


@blueprint.operation(
    "POST", "/reset/<irl_client:id>", ResetSchema, errors=(404, 422), tag="clients"
)
def reset(id: str) -> dict[str, Any]:
    """Forget a client: its counts, its profile and its step

    A worker that is refusing the client at the moment may go on for up to two seconds.
    """
    on_clients = current_admin().operations.clients
    key = on_clients.key_of(id)
    if not on_clients.reset(key, operator()):
        raise _unknown(id)
    return {"client": key, "reset": True}


@blueprint.operation(
    "PUT",
    "/client/<irl_client:id>/override",
    OverriddenSchema,
    body=OverrideRequest,
    tag="clients",
)
def override(change: dict[str, Any], id: str) -> ClientOverride:
    """Allow, block or limit a client or a network for a time, whatever it does

    Holds in all workers at once; but one that is refusing the client at the moment may go on for up
    to two seconds, and one in which it asks often may admit it for up to a second. The client need
    not be known yet; `known` tells whether it is.

    A network such as `203.0.113.0/24` or `2001:db8::/48` stands for all requests from its
    addresses, whatever their clients are called; it holds within two seconds in all workers. With
    kind `limit` its clients count together, as one. The longest network wins, an override of the
    client's own before it, and the configuration's `IRL_DENY` before all.
    """
    operations = current_admin().operations
    return operations.overrides.set(
        operations.clients.key_of(id),
        change["kind"],
        amount=change.get("amount", 0),
        seconds=operations.seconds(change.get("seconds"), change.get("until")),
        reason=change["reason"],
        who=operator(),
    )


@blueprint.operation(
    "DELETE",
    "/client/<irl_client:id>/override",
    OverrideRemovedSchema,
    errors=(404, 422),
    tag="clients",
)
def clear(id: str) -> dict[str, Any]:
    """Leave a client or a network to the limiter again

    A worker that is refusing the client at the moment may go on for up to two seconds.
    """
    operations = current_admin().operations
    key = operations.clients.key_of(id)
    if not operations.overrides.clear(key, operator()):
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

    Models learn from it. A good client is no longer held down on a model's word, only by limits and
    rules, and recovers as any other.
    """
    on_clients = current_admin().operations.clients
    key = on_clients.key_of(id)
    if not on_clients.feedback(key, change["verdict"], operator()):
        raise _unknown(id)
    return {"client": key, "verdict": change["verdict"]}


def _unknown(id: str) -> NotFound:
    key = canonical(id)
    if is_no_client(key):
        return NotFound(
            f"Network {key} has no override, so nothing is counted under it: "
            f"GET /clients?q={key} lists the clients in it."
        )
    return NotFound(f"No client {key} is known.")
