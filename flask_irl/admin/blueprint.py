"""Admit requests to the admin API, and answer those to unknown paths."""

from __future__ import annotations

from typing import Final

from flask import Response, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.routing import MapAdapter

from flask_irl.admin.endpoints import AdminBlueprint
from flask_irl.admin.errors import add_error_handlers
from flask_irl.admin.state import BLUEPRINT, current_admin
from flask_irl.telemetry.log import failure
from flask_irl.web.body import BodyDrain
from flask_irl.web.decorators import add_no_route

MAX_BODY: Final = 64 * 1024
"""Bytes of a request's body at most."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNKNOWN: Final = "unknown"

blueprint = AdminBlueprint(BLUEPRINT, __name__)
add_error_handlers(blueprint)


def operator() -> str:
    """Name the operator that sent the current request."""
    name: str = g.irl_admin_operator
    return name


def _admit() -> None:
    if request.endpoint == f"{blueprint.name}.{UNKNOWN}":
        return
    g.irl_admin_operator = current_admin().authenticator.check(request)
    limit = MAX_BODY
    if request.max_content_length is not None:
        limit = min(limit, request.max_content_length)
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge(f"Send at most {limit} bytes.")
    # Werkzeug cuts a body of unknown length off at the limit: one byte more shows an overlong one.
    request.max_content_length = limit + 1


def _harden(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if response.status_code >= 400:
        # Nobody takes the server out of its proxy's pool with uploads that aren't wanted here.
        BodyDrain(current_app.config, _report).drop(request.environ)
    return response


def _report(where: str, error: BaseException) -> None:
    failure("limiter_error", error, where=where)


def _unknown(rest: str) -> Response:
    adapter = current_app.create_url_adapter(request)
    allowed = [m for m in METHODS if adapter is not None and _is_served(adapter, m)]
    if allowed:
        raise MethodNotAllowed(
            allowed, f"{request.method[:16]} is not allowed here: use {', '.join(allowed)}."
        )
    raise NotFound("There is nothing at this path.")


def _is_served(adapter: MapAdapter, method: str) -> bool:
    try:
        rule, _ = adapter.match(method=method, return_rule=True)
    except HTTPException:
        return False
    return bool(rule.endpoint != request.endpoint)


blueprint.before_request(_admit)
blueprint.after_request(_harden)
# A client that looks for unknown paths is a scanner here as anywhere else.
add_no_route(_unknown)
blueprint.catch_all(UNKNOWN, _unknown)
