"""A host's app on a server of its own, and what its limiter makes of the clients."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_irl.limiter.limiter import Limiter
from flask_irl.web.state import state_of
from tests.servers import HOST

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PATIENCE = 30.0


class _Silent(WSGIRequestHandler):
    """Serve without a line for each request on standard error."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Drop the line."""


class Host:
    """Serve apps in threads within a ``with``, and close their limiters at its end.

    Args:
        wsgi: What is served.
        apps: Gives the apps with limiters behind it, all that there are by now.
    """

    def __init__(self, wsgi: WSGIApplication, apps: Callable[[], list[Flask]]) -> None:
        self._apps = apps
        self._server = make_server(HOST, 0, wsgi, threaded=True, request_handler=_Silent)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://{HOST}:{self._server.server_port}"

    @classmethod
    def of(cls, app: Flask) -> Self:
        """Serve one app."""
        return cls(app, lambda: [app])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()
        for limiter in self._limiters():
            limiter.close()

    @property
    def learned(self) -> int:
        """Count the requests that all limiters have learned from by now."""
        return self._count("requests")

    @property
    def refused(self) -> int:
        """Count the requests that were refused."""
        return self._count("refused")

    @property
    def flagged(self) -> list[str]:
        """Name the clients that are flagged, up to ten of each app."""
        found = (limiter.store.ranked("flagged", 0, 10)[0] for limiter in self._flushed())
        return [client for clients in found for client in clients]

    def _count(self, name: str) -> int:
        return sum(limiter.store.counts().get(name, 0) for limiter in self._flushed())

    def _flushed(self) -> list[Limiter]:
        limiters = self._limiters()
        for limiter in limiters:
            limiter.flush()
        return limiters

    def _limiters(self) -> list[Limiter]:
        return [state_of(app).limiter for app in self._apps()]
