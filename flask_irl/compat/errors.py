"""Raise refusals and wrong settings as Flask-Limiter does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response
from limits.errors import ConfigurationError as LimitsConfigurationError
from werkzeug.exceptions import TooManyRequests

from flask_irl import errors
from flask_irl.limits.decision import Decision
from flask_irl.web.durations import retry_seconds
from flask_irl.web.responses import RateLimitExceeded as Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HTML = "text/html; charset=utf-8"


class ConfigurationError(errors.ConfigurationError, LimitsConfigurationError):
    """Refuse an option; both this package's error and that of ``limits``."""


class RateLimitExceeded(Refusal):
    """Refuse a request: a 429 with the page of werkzeug, which says the limit.

    Args:
        limit: The limit, with ``limit`` and ``error_message``; None where an operator refuses.
        response: The app's own answer, if it has given one.
        decision: The decision; None for an exception that the app raises itself.

    Attributes:
        limit: The same.
    """

    def __init__(
        self, limit: Any, response: Response | None = None, *, decision: Decision | None = None
    ) -> None:
        message = getattr(limit, "error_message", None)
        if callable(message):
            message = message()
        text = message or (self.default_text if limit is None else str(limit.limit))
        wait = None if decision is None else retry_seconds(decision)
        TooManyRequests.__init__(self, text, response, wait)
        self.limit = limit
        self.own_message = message
        if decision is not None:
            self.decision = decision

    def get_body(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, Any] | None = None
    ) -> str:
        """Write werkzeug's page."""
        return TooManyRequests.get_body(self, environ, scope)

    def get_headers(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, Any] | None = None
    ) -> list[tuple[str, str]]:
        """List the headers: type, and ``Retry-After``."""
        headers = self.form_headers(environ)
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers

    def form_headers(self, environ: WSGIEnvironment | None) -> list[tuple[str, str]]:
        """List the headers that tell the body's form."""
        return [("Content-Type", HTML)]
