"""Who a request is from: ready functions for the ``key_func`` option."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flask import current_app, request, session

from flask_irl.limits.keys import canonical, network_key

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class KeyFromEnviron:
    """A key function that needs no more than a request's WSGI environment.

    Such a key is known before Flask sees the request, so that a client that is known to be over
    its limit can be refused there.

    Args:
        of: Tells who a request is from, by its WSGI environment; the remote address counts where
            that is nothing.
        is_canonical: Whether what it tells always is as
            :func:`~flask_irl.limits.keys.canonical` makes it.

    Attributes:
        of: The same.
        stored: Tells the key under which the client is stored.
    """

    __slots__ = ("of", "stored")

    def __init__(self, of: Callable[[WSGIEnvironment], str], *, is_canonical: bool = False) -> None:
        self.of = of
        self.stored = of if is_canonical else self._stored

    def _stored(self, environ: WSGIEnvironment) -> str:
        return canonical(str(self.of(environ) or _remote_address(environ)))

    def __call__(self) -> str:
        """Who the current request is from."""
        return self.of(request.environ)


def _remote_address(environ: WSGIEnvironment) -> str:
    return network_key(environ.get("REMOTE_ADDR") or "")


remote_address: Final = KeyFromEnviron(_remote_address, is_canonical=True)
"""The address of the other end, as :func:`~flask_irl.limits.keys.network_key` groups them.

Behind a proxy that is the proxy, until ``werkzeug.middleware.proxy_fix.ProxyFix`` is told how many
proxies there are; a header that a stranger sends changes nothing.
"""


def api_key(header: str = "X-API-Key") -> KeyFromEnviron:
    """Make a key function of an API key's header; without one the address counts.

    The key itself is a secret, so what is stored and logged is a hash of it.

    Args:
        header: The header's name.
    """
    name = "HTTP_" + header.upper().replace("-", "_")

    def from_header(environ: WSGIEnvironment) -> str:
        value = environ.get(name)
        if not value:
            return _remote_address(environ)
        return "key:" + hashlib.blake2b(value.encode(errors="replace"), digest_size=12).hexdigest()

    return KeyFromEnviron(from_header, is_canonical=True)


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
