"""The operator's side over HTTP: an API under ``/admin``, with its documentation.

Needs the extra ``admin`` (flask-smorest, flask-swagger-ui), which only :func:`register` imports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Flask

from flask_irl.admin.tokens import Token
from flask_irl.errors import ConfigurationError

if TYPE_CHECKING:
    from flask_irl.admin.auth import Authorize
    from flask_irl.operations import Operations

PREFIX: Final = "/admin"


def register(
    app: Flask,
    *,
    operations: Operations,
    tokens: Sequence[Token] = (),
    url_prefix: str = PREFIX,
    authorize: Authorize | None = None,
    docs: bool = True,
    routes: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
    failed: Callable[[str], object] | None = None,
) -> tuple[Blueprint, ...]:
    """Give an app the admin API; call it before the app serves its first request.

    Args:
        app: The app; may have an ``Api`` of flask-smorest of its own.
        operations: What the API does.
        tokens: Who may come in; with none, and no ``authorize``, nobody may.
        url_prefix: Where it is mounted: one or more names, each after a slash.
        authorize: Decides instead of the tokens: given ``read`` or ``write``, returns the name
            of the user who may do that, or None. Requests that change things and come from
            another site's pages are refused before.
        docs: Whether ``openapi.json`` and ``docs`` are served, to everybody.
        routes: Tells ``route``, ``methods``, ``limits`` and ``exempt`` of the app's routes.
        failed: Told why each refused request was: ``missing``, ``wrong``, ``read_only``,
            ``throttled``, ``cross_site`` or ``host``.

    Returns:
        The blueprints that it registered, none of which should be limited.

    Raises:
        ConfigurationError: The prefix is not allowed.
        ImportError: flask-smorest or flask-swagger-ui is not installed.
        RuntimeError: The app has the admin API already.
    """
    from flask_irl.admin.auth import Authenticator
    from flask_irl.admin.mount import mount

    if not url_prefix.startswith("/") or not url_prefix.strip("/") or "<" in url_prefix:
        raise ConfigurationError(
            f"url_prefix is {url_prefix!r}, which is not allowed: give a path such as {PREFIX!r}"
        )
    return mount(
        app,
        url_prefix="/" + url_prefix.strip("/"),
        operations=operations,
        authenticator=Authenticator(tokens, authorize=authorize, failed=failed),
        routes=routes,
        docs=docs,
    )
