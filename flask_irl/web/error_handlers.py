"""Let an app's own error handling answer refusals, and answer those that it leaves alone.

Asked first are handlers of 429, ``TooManyRequests`` or ``RateLimitExceeded``, of a blueprint or of
the app, whatever they answer. Then one of ``HTTPException``, whose answer is taken if it still is
a 429, in the form that the client named. One of ``Exception`` is for what went wrong unforeseen,
and isn't asked. An extension that took Flask's place in handling exceptions, as flask-restx and
flask-restful do, answers for its own routes, if its answer to a route's limit still is a 429.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from flask import Flask, Request, Response, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from flask_irl.telemetry.log import event
from flask_irl.web.refusal_body import PROBLEM, form_for
from flask_irl.web.responses import LimiterUnavailable, RateLimitExceeded

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Handler = Callable[[Any], Any]

REPLACEABLE: Final = ("handle_user_exception", "handle_http_exception")
"""Flask's methods that decide who answers an exception."""


def register(app: Flask) -> None:
    """Answer an app's refusals that are raised, unless it has handlers of this very kind."""
    for kind in (RateLimitExceeded, LimiterUnavailable):
        # Not by Flask's method: switched on, the limiter may come after the first request; and a
        # tracer may wrap what is given there, so that it isn't known again.
        app.error_handler_spec[None][kind.code].setdefault(kind, answer)


def ask_app(current: Request, error: RateLimitExceeded) -> Response | None:
    """Ask the current app for its answer to a refusal; None if it can't have one.

    Raises:
        RateLimitExceeded: A handler of Flask's answers it.
    """
    app = cast(Flask, current_app._get_current_object())  # type: ignore[attr-defined]
    names = (*current.blueprints, None)
    if _find(app, names, error.code, type(error).__mro__) is not None:
        raise error
    if any(_is_replaced(app, method) for method in REPLACEABLE):
        try:
            raise error
        except RateLimitExceeded:
            response = app.make_response(app.handle_user_exception(error))
        return _refusing(response, error, current.environ)
    if _find(app, names, None, _http_errors(error)) is not None:
        raise error
    return None


def answer(error: RateLimitExceeded) -> ResponseReturnValue:
    """Answer a refusal that no more special handler was found for."""
    app = current_app
    own = _find(app, (None,), error.code, type(error).__mro__)
    if own is not None:
        given: ResponseReturnValue = app.ensure_sync(own)(error)
        return given
    catch_all = _find(app, (*request.blueprints, None), None, _http_errors(error))
    if catch_all is None:
        return error.get_response(request.environ)
    try:
        response = app.make_response(app.ensure_sync(catch_all)(error))
    except Exception as failure:
        # connexion's raises an exception of its own, which has lost Retry-After.
        event(logging.DEBUG, "error_handler_raised", error=type(failure).__name__)
        return error.get_response(request.environ)
    return _refusing(response, error, request.environ)


def _refusing(response: Response, error: RateLimitExceeded, environ: WSGIEnvironment) -> Response:
    """Give a response that still refuses, in the form that the client named, or else our own.

    Any other would turn refusals into something that no client can tell from a fault.
    """
    in_form = form_for(environ) != "problem" or response.mimetype == PROBLEM
    if response.status_code == error.code and in_form:
        return response
    return current_app.make_response(error.get_response(environ))


def _find(
    app: Flask, names: Iterable[str | None], code: int | None, kinds: Collection[type]
) -> Handler | None:
    """Find the handler that Flask would ask, of these blueprints (None: the app), but ours."""
    for name in names:
        handlers = app.error_handler_spec.get(name, {}).get(code, {})
        for kind in kinds if handlers else ():
            handler = handlers.get(kind)
            if handler is not None and handler is not answer:
                return handler
    return None


def _http_errors(error: RateLimitExceeded) -> list[type]:
    return [kind for kind in type(error).__mro__ if issubclass(kind, HTTPException)]


def _is_replaced(app: Flask, method: str) -> bool:
    """Tell whether an app has another method than Flask's; what traces Flask's own is none."""
    if method in vars(app):
        return True
    return next(kind for kind in type(app).__mro__ if method in vars(kind)) is not Flask
