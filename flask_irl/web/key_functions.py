"""Name the client of a request: ready functions for the ``key_func`` option."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flask import current_app, request, session

from flask_irl.errors import ConfigurationError
from flask_irl.limits.keys import network_key
from flask_irl.telemetry.log import event
from flask_irl.web.callbacks import Verify, check_callback, is_true
from flask_irl.web.client_names import key_named

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_VERIFIED: Final = 10_000
"""API keys remembered to exist."""


class KeyFromEnviron:
    """Name the client of a request by no more than its WSGI environment.

    Such a key is known before Flask sees the request, so that a client that is known to be over
    its limit can be refused there.

    Args:
        of: Gives the client's name by the environment; the remote address counts where that is
            empty.
        is_canonical: Whether the name always is as :func:`~flask_irl.limits.keys.canonical`
            makes it.

    Attributes:
        of: The same.
        stored: Gives the key under which the client is stored, or None where only Flask can tell.
    """

    __slots__ = ("of", "stored")

    def __init__(self, of: Callable[[WSGIEnvironment], str], *, is_canonical: bool = False) -> None:
        self.of = of
        self.stored: Callable[[WSGIEnvironment], str | None] = of if is_canonical else self._stored

    def _stored(self, environ: WSGIEnvironment) -> str:
        return key_named(str(self.of(environ) or address_of(environ)))

    def __call__(self) -> str:
        """Name the client of the current request."""
        return self.of(request.environ)


def address_of(environ: WSGIEnvironment) -> str:
    """Name a client by the address of the other end."""
    return network_key(environ.get("REMOTE_ADDR") or "")


remote_address: Final = KeyFromEnviron(address_of, is_canonical=True)
"""Names a client by the address of the other end, as :func:`~flask_irl.limits.keys.network_key`
groups them.

Behind a proxy that is the proxy, until ``werkzeug.middleware.proxy_fix.ProxyFix`` is told how many
proxies there are; a header that a stranger sends changes nothing.
"""


class ApiKey(KeyFromEnviron):
    """Name a client by its API key, once a check has told that the key exists.

    Args:
        header: Name of the key's header.
        verify: Tells whether a key exists; called within the request, for each key again after
            ``remember_seconds``.
        remember_seconds: Time for which a key that exists is believed.
        clock: Seconds, of any origin.
    """

    __slots__ = ("_clock", "_header", "_remember_seconds", "_verified", "_verify")

    def __init__(
        self,
        header: str,
        verify: Verify,
        remember_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(self._client)
        self.stored = self._early
        self._header = "HTTP_" + header.upper().replace("-", "_")
        self._verify = verify
        self._remember_seconds = remember_seconds
        self._clock = clock
        self._verified: dict[str, float] = {}

    def _early(self, environ: WSGIEnvironment) -> str | None:
        """Name the client without the check, which may need Flask; None for a key not yet known."""
        value = environ.get(self._header)
        if not value:
            return address_of(environ)
        client = _hashed(value)
        return client if self._verified.get(client, 0.0) > self._clock() else None

    def _client(self, environ: WSGIEnvironment) -> str:
        client = self._early(environ)
        if client is not None:
            return client
        value = environ[self._header]
        if not is_true(self._verify, value):
            return address_of(environ)
        client = _hashed(value)
        if len(self._verified) >= MAX_VERIFIED:
            self._verified.clear()
        self._verified[client] = self._clock() + self._remember_seconds
        return client


def api_key(
    header: str = "X-API-Key",
    *,
    verify: Verify | None = None,
    remember_seconds: float = 60.0,
) -> KeyFromEnviron:
    """Make a key function of an API key's header.

    The address counts for requests without a key, and for those with a key that doesn't exist:
    else whoever invents keys would get a fresh limit with each. The key itself is a secret, so a
    hash of it is stored and logged.

    Args:
        header: The header's name.
        verify: Tells whether a key exists, such as ``lambda key: key in app.config["KEYS"]``;
            called within the request. If it raises, the address counts. Without it no key is
            believed, and a warning says so.
        remember_seconds: Time for which a key that exists isn't checked again, 0 or more: a key
            taken back goes on as a client of its own for so long, whatever your app answers it.

    Raises:
        ConfigurationError: An argument isn't allowed.
    """
    if verify is None:
        event(logging.WARNING, "api_keys_unverified", header=header, give="api_key(verify=...)")
        return ApiKey(header, lambda key: False, 0.0)
    if not callable(verify):
        raise ConfigurationError(
            f"verify is {verify!r}: give a function that takes a key and returns whether it exists"
        )
    check_callback("verify", verify)
    if isinstance(remember_seconds, bool) or not 0 <= remember_seconds < math.inf:
        raise ConfigurationError(
            f"remember_seconds is {remember_seconds!r}: give a number of seconds, 0 or more"
        )
    return ApiKey(header, verify, remember_seconds)


def key_of_api_key(key: str) -> str:
    """Give the key of the client that sends an API key, as :func:`api_key` names it."""
    # Servers hand on a header's bytes as Latin-1, without the blanks around it.
    return _hashed(key.strip().encode(errors="surrogateescape").decode("latin-1"))


def _hashed(value: str) -> str:
    return "key:" + hashlib.blake2b(value.encode(errors="replace"), digest_size=12).hexdigest()


def logged_in_user() -> str:
    """Name the user that Flask-Login or the session knows; without one the address counts.

    Reads ``flask_login.current_user`` if the app has a login manager, else the session's
    ``user_id`` or ``_user_id``.
    """
    if hasattr(current_app, "login_manager"):
        from flask_login import current_user

        user = current_user.get_id() if current_user.is_authenticated else None
    else:
        user = session.get("user_id", session.get("_user_id"))
    return remote_address() if user is None else f"user:{user}"
