"""Look at an app's first requests for what its configuration has forgotten: proxies and siblings.

Whether there is a proxy in front, or another process beside this one, is seen only when requests
come. The look is taken between the middleware and the app, and is gone once all is known, or after
some hundred requests: from then on a request costs no more than without it.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from flask_irl.limits.keys import network_key
from flask_irl.telemetry.forks import renew_after_fork
from flask_irl.telemetry.log import event
from flask_irl.web.identity import NOBODYS
from flask_irl.web.siblings import has_siblings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_REQUESTS: Final = 500
FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")
MOST_HOPS: Final = 20
"""Addresses of a header that are looked at: a stranger may send any number."""
PROXY_FIX: Final = "werkzeug.proxy_fix.orig"
"""Name in a request's environment that ProxyFix leaves."""
MEND_PROXY: Final = (
    "if a proxy of yours is at this address, all clients behind it share one limit: set "
    "app.wsgi_app = werkzeug.middleware.proxy_fix.ProxyFix(app.wsgi_app, x_for=1) with the number "
    "of proxies that add to X-Forwarded-For; if there is none, the client has made the header up"
)
MEND_STORE: Final = (
    "each process counts for itself, so that clients get their limits several times: set "
    "REDIS_URL, or run one process"
)


class Wrapper(Protocol):
    """Hold the app that a middleware calls."""

    app: WSGIApplication


class FirstRequests:
    """Look at the first requests of a process, and warn once of each thing.

    Args:
        by_address: Whether clients are known by their addresses.
        local: Whether the store is this process's own.
        guard: Does work, and keeps its errors from the app.
        most: Requests to look at, 1 or more.
    """

    def __init__(
        self,
        *,
        by_address: bool,
        local: bool,
        guard: Callable[[str, Callable[[], object]], None],
        most: int = MOST_REQUESTS,
    ) -> None:
        self._guard = guard
        self._proxy_unknown = by_address
        self._siblings_unknown = local
        self._left = most
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Begin anew in a forked process."""
        self._lock = threading.Lock()

    @property
    def done(self) -> bool:
        """Tell whether there is nothing more to look for."""
        return self._left <= 0 or not (self._proxy_unknown or self._siblings_unknown)

    def watch(self, middleware: Wrapper) -> None:
        """Look at each request that a middleware passes on, until all is known."""
        app = middleware.app

        def watched(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self.look(environ)
            if self.done:
                middleware.app = app
            return app(environ, start_response)

        if not self.done:
            middleware.app = watched

    def look(self, environ: WSGIEnvironment) -> None:
        """Look at a request; never raises."""
        self._guard("start", partial(self._look, environ))

    def _look(self, environ: WSGIEnvironment) -> None:
        # The threads of the first requests come at once.
        with self._lock:
            self._left -= 1
            siblings = self._siblings_unknown and has_siblings(environ)
            self._siblings_unknown = False
            header = self._find_proxy(environ) if self._proxy_unknown else ""
        if siblings:
            server = environ.get("SERVER_SOFTWARE", "")
            event(logging.WARNING, "memory_store_not_shared", server=server, mend=MEND_STORE)
        if header:
            event(
                logging.WARNING,
                "proxy_not_configured",
                header=header,
                remote_addr=environ.get("REMOTE_ADDR"),
                mend=MEND_PROXY,
            )

    def _find_proxy(self, environ: WSGIEnvironment) -> str:
        """Name the header of a proxy that nobody has configured; empty if there is none yet."""
        if PROXY_FIX in environ:
            self._proxy_unknown = False
            return ""
        found = next((name for name in FORWARDED if environ.get(name)), None)
        if found is None:
            return ""
        address = environ.get("REMOTE_ADDR") or ""
        if _is_strangers(address):
            return ""
        self._proxy_unknown = False
        # The server itself may have dealt with the proxy. An address that is nobody's has a warning
        # of its own.
        client = network_key(address)
        if client in NOBODYS or client in _addresses(environ[found]):
            return ""
        return "X-Forwarded-For" if found == FORWARDED[0] else "Forwarded"


def _addresses(header: str) -> set[str]:
    """List the addresses in a header of either kind, as keys."""
    parts = header.replace(";", ",").replace("=", ",").rsplit(",", MOST_HOPS)
    return {network_key(part.strip(' "')) for part in parts}


def _is_strangers(address: str) -> bool:
    """Tell whether an address is one of the open internet, where anybody may make headers up."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False
