"""Identify the client of a request by the app's key function."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from flask_irl.limiter.failures import Failed
from flask_irl.limits.keys import UNKNOWN
from flask_irl.telemetry.log import event
from flask_irl.web.callbacks import KeyFunc, key_of
from flask_irl.web.client_names import key_named
from flask_irl.web.key_functions import KeyFromEnviron, address_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

NOBODYS: Final = frozenset({UNKNOWN, "0.0.0.0"})  # noqa: S104 - nothing is bound to it
"""Keys of addresses that are no client's, as servers give them that listen on a Unix socket."""
MEND: Final = (
    "all clients have this address and share one limit; let the proxy send X-Forwarded-For, "
    "and set app.wsgi_app = werkzeug.middleware.proxy_fix.ProxyFix(app.wsgi_app, x_for=1)"
)


class Identity:
    """Turn requests into clients' canonical keys.

    Args:
        key_func: The app's key function; the remote address counts where it raises or returns
            nothing.
        failed: Takes an error of it, with the place's name and the function.

    Attributes:
        early: Gives the key by no more than the environment, or None where only Flask can tell;
            None where the key function always needs Flask.
    """

    def __init__(self, key_func: KeyFunc, failed: Failed) -> None:
        self._key_func = key_func
        self._failed = failed
        self._warned = False
        self.early = key_func.stored if isinstance(key_func, KeyFromEnviron) else None

    def known(self, environ: WSGIEnvironment) -> str | None:
        """Give the client's key where the environment tells it, else None; never raises."""
        if self.early is None:
            return None
        try:
            client = self.early(environ)
        except Exception as error:
            self._failed("key_func", error, self._key_func)
            client = address_of(environ)
        if client in NOBODYS:
            self._warn(environ)
        return client

    def client(self, environ: WSGIEnvironment, *, quietly: bool = False) -> str:
        """Give the client's key, during a request; never raises.

        Args:
            environ: The request's.
            quietly: Report no error of the key function.
        """
        try:
            client = None if self.early is None else self.early(environ)
            if client is None:
                key = key_of(self._key_func)
                if key:
                    return key_named(key)
        except Exception as error:
            client = None
            if not quietly:
                self._failed("key_func", error, self._key_func)
        if client is None:
            client = address_of(environ)
        if client in NOBODYS:
            self._warn(environ)
        return client

    def _warn(self, environ: WSGIEnvironment) -> None:
        """Warn, once, that the server knows no client's address: they all share one limit."""
        if not self._warned:
            self._warned = True
            address = environ.get("REMOTE_ADDR")
            event(logging.WARNING, "address_unknown", remote_addr=address, mend=MEND)
