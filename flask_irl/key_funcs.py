"""Who a request is from: ready functions for the ``key_func`` option."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from flask import current_app, request, session

from flask_irl.keys import network_key


def remote_address() -> str:
    """The address of the other end, as :func:`~flask_irl.keys.network_key` groups them.

    Behind a proxy that is the proxy, until ``werkzeug.middleware.proxy_fix.ProxyFix`` is told how
    many proxies there are; a header that a stranger sends changes nothing.
    """
    return network_key(request.environ.get("REMOTE_ADDR") or "")


def api_key(header: str = "X-API-Key") -> Callable[[], str]:
    """Make a key function of an API key's header; without one the address counts.

    The key itself is a secret, so what is stored and logged is a hash of it.

    Args:
        header: The header's name.
    """

    def from_header() -> str:
        value = request.headers.get(header)
        if not value:
            return remote_address()
        return "key:" + hashlib.blake2b(value.encode(errors="replace"), digest_size=12).hexdigest()

    return from_header


def logged_in_user() -> str:
    """The user that Flask-Login or the session knows; without one the address counts.

    Reads ``flask_login.current_user`` if the app has a login manager, else the session's
    ``user_id`` or ``_user_id``.
    """
    if hasattr(current_app, "login_manager"):
        from flask_login import current_user

        user = current_user.get_id() if current_user.is_authenticated else None
    else:
        user = session.get("user_id", session.get("_user_id"))
    return remote_address() if user is None else f"user:{user}"
