"""Admit requests to the admin API, and answer those to unknown paths."""

from __future__ import annotations

import contextlib
from typing import Final

from flask import Response, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.routing import MapAdapter, Rule

from flask_irl.admin.endpoints import TENANT, AdminBlueprint
from flask_irl.admin.errors import add_error_handlers
from flask_irl.admin.prefix import BLUEPRINT, is_own
from flask_irl.admin.state import current_admin
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


def confined_to() -> str:
    """Name the one tenant that the current request's operator may see; empty for all."""
    tenant: str = g.irl_admin_tenant
    return tenant


def _admit() -> None:
    if request.endpoint == f"{blueprint.name}.{UNKNOWN}":
        return
    admin = current_admin()
    g.irl_admin_operator, g.irl_admin_tenant = admin.authenticator.identify(request)
    admin.choose(request.args.get(TENANT, ""), confined_to())
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


def _unknown(path: str) -> Response:
    adapter = current_app.create_url_adapter(request)
    served = {} if adapter is None else _served(adapter)
    host = current_admin().prefix.has_pages_of_host(current_app)
    # The API's OPTIONS stays where the host serves the rest.
    own = any(is_own(rule) for method, rule in served.items() if method != "OPTIONS")
    if own or not (served or host):
        if not served:
            raise NotFound("There is nothing at this path.")
        allowed = list(served)
        raise MethodNotAllowed(
            allowed, f"{request.method[:16]} is not allowed here: use {', '.join(allowed)}."
        )
    # The host has pages below the prefix, and error pages for them: this is no request of ours.
    request.url_rule = request.view_args = None
    raise MethodNotAllowed(list(served)) if served else NotFound


def _served(adapter: MapAdapter) -> dict[str, Rule]:
    """Find the methods that a path serves, each with its rule."""
    served: dict[str, Rule] = {}
    for method in METHODS:
        with contextlib.suppress(HTTPException):
            rule, _ = adapter.match(method=method, return_rule=True)
            if rule.endpoint != request.endpoint:
                served[method] = rule
    return served


blueprint.before_request(_admit)
blueprint.after_request(_harden)
# A client that looks for unknown paths is a scanner here as anywhere else.
add_no_route(_unknown)
blueprint.catch_all(UNKNOWN, _unknown)
