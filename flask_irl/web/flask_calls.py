"""Wrap the calls that Flask makes of an app, where it has no hook."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, request

from flask_irl.web.responses import RateLimitExceeded


def wrap_call(app: Flask, name: str, around: Callable[..., Any]) -> None:
    """Wrap a call that Flask makes of an app.

    Args:
        app: The app.
        name: Name of the app's method.
        around: Is called instead, with the method before its arguments.
    """
    inner = getattr(app, name)

    @wraps(inner)
    def call(*arguments: Any, **named: Any) -> Any:
        return around(inner, *arguments, **named)

    setattr(app, name, call)


def answer_raised(app: Flask, slot: str) -> None:
    """Answer a refusal that is raised where Flask makes a 500 of whatever is raised.

    That is so in error handlers, in hooks after a request, and where a session is opened. A handler
    of the app's own is asked, if it has one; while it answers, nothing more is counted.

    Args:
        app: The app.
        slot: Name in a request's environment under which its exchange is.
    """

    def handle(inner: Callable[..., Any], *arguments: Any) -> Any:
        # The error is the last: later versions of Flask give their context first.
        *context, error = arguments
        try:
            if not isinstance(error, RateLimitExceeded):
                return inner(*arguments)
        except RateLimitExceeded as raised:
            error = raised
        exchange = request.environ.get(slot)
        if exchange is not None:
            exchange.answering = True
        whole: Any = app
        try:
            answer = whole.handle_user_exception(*context, error)
        except Exception as fault:
            return inner(*context, fault)
        if request.url_rule is None and request.routing_exception is None:
            # The session wasn't to be opened; Flask would want to save it.
            return whole.make_response(answer)
        return whole.finalize_request(*context, answer, from_error_handler=True)

    wrap_call(app, "handle_exception", handle)
