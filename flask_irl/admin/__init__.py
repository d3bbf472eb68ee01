"""Offer the operations over HTTP: an API under ``/admin``, with its documentation.

Needs the extra ``admin`` (flask-smorest, flask-swagger-ui), which only :func:`register` imports. A
new endpoint is a view in :mod:`flask_irl.admin.views`, with its bodies in
:mod:`flask_irl.admin.schemas` and its work in :mod:`flask_irl.operations`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Flask

from flask_irl.admin.tokens import Token
from flask_irl.errors import ConfigurationError
from flask_irl.telemetry.log import event

if TYPE_CHECKING:
    from flask_irl.admin.state import TenantParts
    from flask_irl.limits.plan import Plan
    from flask_irl.limits.route_scope import RouteScope
    from flask_irl.operations import Operations
    from flask_irl.web.callbacks import Authorize

PREFIX: Final = "/admin"


def register(
    app: Flask,
    *,
    operations: Operations,
    tokens: Sequence[Token] = (),
    url_prefix: str = PREFIX,
    authorize: Authorize | None = None,
    docs: bool = True,
    pages: bool = True,
    routes: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
    tenants: TenantParts | None = None,
    plans: Callable[[], Sequence[Plan]] = tuple,
    scopes: Callable[[], Sequence[RouteScope]] = tuple,
    failed: Callable[[str], object] | None = None,
) -> tuple[Blueprint, ...]:
    """Give an app the admin API, if somebody may use it: with a token or ``authorize``.

    Call it before the app serves its first request, and :func:`give_way` when it does.

    Args:
        app: The app; may have an ``Api`` of flask-smorest of its own.
        operations: The operations behind the endpoints.
        tokens: The tokens that admit; with none, and no ``authorize``, nothing is mounted.
        url_prefix: The path that the API is mounted at: one or more names, each after a slash.
        authorize: Decides instead of the tokens: given ``read`` or ``write``, returns the name of
            the user that may do that, or None. Before it is called, changes sent by another
            site's pages are refused.
        docs: Serves ``openapi.json`` and ``docs``, to everybody.
        pages: Serves the operator's page.
        routes: Lists ``route``, ``methods``, ``limits`` and ``exempt`` of the app's routes.
        tenants: The operations on the app's tenants; None where it has none.
        plans: Lists the plans of those routes, each once.
        scopes: Lists the scopes of those routes.
        failed: Called with the reason of each refusal: ``missing``, ``wrong``, ``read_only``,
            ``throttled``, ``cross_site``, ``form_token`` or ``host``.

    Returns:
        The blueprints that were registered, none of which should be limited; empty if none was.

    Raises:
        ConfigurationError: The prefix is not allowed.
        ImportError: flask-smorest or flask-swagger-ui is not installed.
        RuntimeError: The app has the admin API already.
    """
    if not is_wanted(url_prefix, tokens, authorize):
        return ()
    from flask_irl.admin.authentication import Authenticator
    from flask_irl.admin.mount import mount

    return mount(
        app,
        url_prefix="/" + url_prefix.strip("/"),
        operations=operations,
        authenticator=Authenticator(tokens, authorize=authorize, failed=failed),
        routes=routes,
        tenants=tenants,
        plans=plans,
        scopes=scopes,
        docs=docs,
        pages=pages,
    )


def is_wanted(url_prefix: str, tokens: Sequence[Token], authorize: Authorize | None) -> bool:
    """Tell whether anybody may use the API; arguments as of :func:`register`.

    To be asked before anything is imported: the API would take paths of the host's, and admit
    nobody.

    Raises:
        ConfigurationError: The prefix is not allowed.
    """
    if not url_prefix.startswith("/") or not url_prefix.strip("/") or set('<"\\') & set(url_prefix):
        raise ConfigurationError(
            f"url_prefix is {url_prefix!r}, which is not allowed: give a path such as {PREFIX!r}"
        )
    if tokens or authorize is not None:
        return True
    event(logging.DEBUG, "admin_not_mounted", missing="token", set="IRL_ADMIN_TOKEN")
    return False


def issue_sign_in(app: Flask) -> str | None:
    """Issue an address, below the site's own, at which somebody may sign in to the page once.

    Holds for a quarter of an hour. For who serves a site with no token that anybody knows.

    Returns:
        None where there is no page to sign in to, or the app's own login decides.

    Raises:
        StoreError: The store failed.
    """
    from flask_irl.admin.state import EXTENSION, Admin

    admin = app.extensions.get(EXTENSION)
    token = admin.authenticator.strongest() if isinstance(admin, Admin) else None
    if admin is None or token is None or not admin.pages:
        return None
    from flask_irl.admin.pages.sessions import Sessions

    once = Sessions(admin.own.operations.store, admin.authenticator).issue_once(token)
    return f"{admin.prefix.path}/page/sign-in?once={once}"


def give_way(app: Flask) -> None:
    """Leave the host's pages at or below the API's prefix to it, and warn of new ones."""
    from flask_irl.admin.state import EXTENSION, Admin

    admin = app.extensions.get(EXTENSION)
    if isinstance(admin, Admin):
        admin.prefix.give_way(app)
