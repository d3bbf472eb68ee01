"""In front of Flask: a place on each request's way where it is seen first, and its answer last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from flask_irl.limits.decision import Decision
from flask_irl.web.routes import Asked, Route

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]


class Served:
    """One request under way.

    Attributes:
        decision: What was decided; None until then, and when it is exempt.
        route: Its route; there from the moment it is known.
        client: Who it is from.
        seconds: How long the decision took.
        observed: Whether it was noted.
        begun: The question to the store whose answer is still to be read, asked before Flask saw
            the request; and with it:
        rule: The rule that Flask is expected to match, None for none.
        asked: What was asked.
        keys: Whom it was asked about.
    """

    decision: Decision | None = None
    route: Route
    client = ""
    seconds = 0.0
    observed = False
    begun: Any = None
    rule: Rule | None
    asked: Asked
    keys: Sequence[str]


class Answer(NamedTuple):
    """A whole response."""

    status: str
    headers: Headers
    body: bytes


class Front:
    """WSGI middleware around an app.

    Args:
        app: The app, or what is wrapped around it already.
        slot: Where in a request's environment its :class:`Served` is.
        early: Answers a request without the app, or returns None; None if nobody does.
        unused: Told of requests that have ``begun`` something and didn't end it.
        finish: Given every response's status and headers, which it may add to.
        failed: Told of requests that the app raised an error on instead of answering.
    """

    def __init__(
        self,
        app: WSGIApplication,
        slot: str,
        *,
        early: Callable[[WSGIEnvironment, Served], Answer | None] | None,
        unused: Callable[[Served], None] | None,
        finish: Callable[[WSGIEnvironment, Served, str, Headers], None],
        failed: Callable[[WSGIEnvironment, Served], None],
    ) -> None:
        self.app = app
        self._slot = slot
        self._early = early
        self._finish = finish
        self._failed = failed
        self._unused = unused

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        served = environ[self._slot] = Served()
        if self._early is not None:
            answer = self._early(environ, served)
            if answer is not None:
                start_response(answer.status, answer.headers)
                return (answer.body,)
        finish = self._finish

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            finish(environ, served, status, headers)
            if exc_info is None:
                return start_response(status, headers)
            return start_response(status, headers, exc_info)

        try:
            return self.app(environ, start)
        except Exception:
            self._failed(environ, served)
            raise
        finally:
            if served.begun is not None and self._unused is not None:
                self._unused(served)


def put_in_front(app: Any, make: Callable[[WSGIApplication, bool], Front]) -> None:
    """Put a front next to a Flask app, inside of what its ``wsgi_app`` is wrapped in by now.

    Proxies must have been dealt with before a client is known by its address.

    Args:
        app: The app.
        make: Makes the front, given what it is in front of, and whether that is the app itself
            and nothing unknown.
    """
    outer, place = app, "wsgi_app"
    while isinstance(getattr(outer, place), ProxyFix):
        outer, place = getattr(outer, place), "app"
    inner = getattr(outer, place)
    setattr(outer, place, make(inner, getattr(inner, "__self__", None) is app))
