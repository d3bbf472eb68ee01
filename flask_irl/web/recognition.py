"""Recognise the route of a request before Flask does: by requests that Flask has matched before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from werkzeug.routing import Rule

from flask_irl.web.routes import Route

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_PATHS: Final = 4096
MAX_CHARACTERS: Final = 300

Known = tuple[Route, Rule | None]
"""A route, and the rule that Flask is expected to match."""


class Recognition:
    """Remember routes by method and path; bounded.

    Flask finds out a request's route by itself, and takes its time. A request under the same method
    and path as an earlier one has the same route.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Known] = {}

    def recognise(self, environ: WSGIEnvironment) -> Known | None:
        """Give the route of a request like an earlier one, else None."""
        if not self._known:
            return None
        # A server may leave out an empty path (PEP 3333).
        return self._known.get((environ.get("REQUEST_METHOD"), environ.get("PATH_INFO", "")))  # type: ignore[arg-type]

    def forget(self) -> None:
        """Forget all routes: their limits have changed."""
        self._known = {}

    def learn(self, environ: WSGIEnvironment, route: Route, rule: Rule | None) -> None:
        """Remember the route of a request whose limits are the same for all requests like it."""
        method, path = environ.get("REQUEST_METHOD"), environ.get("PATH_INFO", "")
        if method is None:
            return
        if len(method) + len(path) <= MAX_CHARACTERS:
            if len(self._known) >= MAX_PATHS:
                self._known.clear()
            self._known[method, path] = route, rule
