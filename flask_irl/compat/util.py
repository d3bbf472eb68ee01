"""Name clients by their addresses, and functions by their places."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from flask_irl.web.key_functions import KeyFromEnviron, address_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

NOBODY: Final = "127.0.0.1"


class RemoteAddress(KeyFromEnviron):
    """Give the address of the current request; its client is stored under the address's network.

    An IPv6 client has 2**64 addresses, and one limit.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_address)
        self.stored = _client


def _address(environ: WSGIEnvironment) -> str:
    return environ.get("REMOTE_ADDR") or NOBODY


def _client(environ: WSGIEnvironment) -> str:
    return address_of(environ) if environ.get("REMOTE_ADDR") else NOBODY


get_remote_address: Final = RemoteAddress()
"""Gives the address of the current request, or 127.0.0.1."""


def get_qualified_name(callable: Callable[..., Any]) -> str:
    """Name a function by its module and place."""
    return f"{callable.__module__}.{callable.__name__}.{callable.__qualname__}"
