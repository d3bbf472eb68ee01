"""Identify the client of a request by the app's key function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_irl.limiter.failures import Failed
from flask_irl.limits.keys import canonical
from flask_irl.web.callbacks import KeyFunc, key_of
from flask_irl.web.key_functions import KeyFromEnviron, address_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


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
        self.early = key_func.stored if isinstance(key_func, KeyFromEnviron) else None

    def known(self, environ: WSGIEnvironment) -> str | None:
        """Give the client's key where the environment tells it, else None; never raises."""
        if self.early is None:
            return None
        try:
            return self.early(environ)
        except Exception as error:
            self._failed("key_func", error, self._key_func)
            return address_of(environ)

    def client(self, environ: WSGIEnvironment, *, quietly: bool = False) -> str:
        """Give the client's key, during a request; never raises.

        Args:
            environ: The request's.
            quietly: Report no error of the key function.
        """
        try:
            early = None if self.early is None else self.early(environ)
            if early is not None:
                return early
            key = key_of(self._key_func)
            if key:
                return canonical(key)
        except Exception as error:
            if not quietly:
                self._failed("key_func", error, self._key_func)
        return address_of(environ)
