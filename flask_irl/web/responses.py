"""Answer a client: the headers of a decision, and the response to a refused request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from flask import Response, has_request_context, request
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests
from werkzeug.http import HTTP_STATUS_CODES

from flask_irl.limits.decision import REFUSED, Decision
from flask_irl.web.durations import epoch_seconds, retry_seconds, seconds
from flask_irl.web.exchange import Header, Headers, Refusal
from flask_irl.web.refusal_body import (
    CONTENT_TYPES,
    Form,
    Page,
    body_of,
    form_for,
    page,
    status_of,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

RATE_HEADERS: Final = frozenset(
    f"x-ratelimit-{what}" for what in ("limit", "remaining", "reset")
) | {"ratelimit", "ratelimit-policy"}
USUAL_HEADERS: Final = frozenset({"Content-Type", "Content-Length", "Set-Cookie", "Location"})
DEFAULT_SCOPE: Final = '"default"'


class RateLimitExceeded(TooManyRequests):
    """Refuse a request: a 429 wherever it is met, whose response is what the client would get.

    Args:
        decision: The decision.
        message: Its text instead of "Rate limit exceeded".
        shown: The headers that show the decision.
        page: Writes the page for browsers; the limiter's own by default.
        response: The app's own answer, if it has given one.

    Attributes:
        decision: The same.
        own_message: The message given, if any.
        retry_after: Whole seconds after which the client is admitted, at least one.
    """

    code: int = 429
    default_text = "Rate limit exceeded"

    def __init__(
        self,
        decision: Decision,
        message: str | None = None,
        shown: Sequence[Header] = (),
        page: Page = page,
        response: Response | None = None,
    ) -> None:
        super().__init__(message or self.default_text, response, retry_seconds(decision))
        self.decision = decision
        # Not as "message": GraphQL would show it instead of this exception's text.
        self.own_message = message
        self._shown = shown
        self._page = page

    def get_body(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, Any] | None = None
    ) -> str:
        """Write the body as the client asks for it: JSON, problem+json, or a page."""
        return body_of(self.decision, self.own_message, _form(environ), self._page)

    def get_headers(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, Any] | None = None
    ) -> Headers:
        """List the headers: type, ``Retry-After``, and those that show the decision."""
        retry = ("Retry-After", str(self.retry_after))
        return [*self.form_headers(environ), retry, *self._shown]

    def form_headers(self, environ: WSGIEnvironment | None) -> Headers:
        """List the headers that tell the body's form."""
        return [("Content-Type", CONTENT_TYPES[_form(environ)]), ("Vary", "Accept")]


class LimiterUnavailable(RateLimitExceeded, ServiceUnavailable):
    """Refuse a request while no store answers and none may pass (``on_store_error="deny"``)."""

    code = 503
    default_text = "Rate limiter unavailable"


def set_headers(headers: Headers, decision: Decision, *, ietf: bool, epoch: bool = False) -> None:
    """Put a decision into a response's headers, as WSGI has them.

    Args:
        headers: Of the response.
        decision: The decision.
        ietf: Also ``RateLimit`` and ``RateLimit-Policy``
            (draft-ietf-httpapi-ratelimit-headers-10).
        epoch: ``X-RateLimit-Reset`` as seconds since the epoch, by the store's clock.
    """
    for name, _ in headers:
        if name not in USUAL_HEADERS and name.lower() in RATE_HEADERS:
            headers[:] = [item for item in headers if item[0].lower() not in RATE_HEADERS]
            break
    outcome, _, limit, remaining, reset_after, _, _, _, _, window, scope, _, at, _ = decision
    if not limit and outcome not in REFUSED:
        # The request is under no limit.
        return
    reset = seconds(reset_after)
    headers += (
        ("X-RateLimit-Limit", str(limit)),
        ("X-RateLimit-Remaining", str(remaining)),
        ("X-RateLimit-Reset", str(epoch_seconds(at, reset_after) if epoch else reset)),
    )
    if ietf:
        name = _quoted(scope) if scope else DEFAULT_SCOPE
        # The draft's t is when there is quota again, which may be before the window ends.
        when = min(reset, retry_seconds(decision)) if outcome in REFUSED else reset
        headers += (
            ("RateLimit-Policy", f"{name};q={limit};w={window}"),
            ("RateLimit", f"{name};r={remaining};t={when}"),
        )


class Responder:
    """Complete the answers to requests that were decided on.

    Args:
        headers_enabled: Whether answers show the decision.
        ietf: Whether they show it in the IETF draft's headers, too.
        epoch: Whether ``X-RateLimit-Reset`` is in seconds since the epoch.
        failed: Takes an error, with the place's name.
        page: Writes the pages of refusals.
    """

    def __init__(
        self,
        *,
        headers_enabled: bool,
        ietf: bool,
        epoch: bool,
        failed: Callable[[str, BaseException], None],
        page: Page = page,
    ) -> None:
        self._headers_enabled = headers_enabled
        self._ietf = ietf
        self._epoch = epoch
        self._failed = failed
        self._page = page

    def exceeded(
        self, decision: Decision, message: str | None, response: Response | None = None
    ) -> RateLimitExceeded:
        """Make the exception that refuses a request; ``response`` is the app's own answer."""
        kind = LimiterUnavailable if decision.source == "none" else RateLimitExceeded
        shown: Headers = []
        self.complete(decision, "", shown)
        return kind(decision, message, shown, self._page, response)

    def complete(self, decision: Decision, status: str, headers: Headers) -> None:
        """Add the decision's headers to an answer; never raises."""
        try:
            if self._headers_enabled and decision.source != "none":
                set_headers(headers, decision, ietf=self._ietf, epoch=self._epoch)
            # The app's own handler of 429 may not have thought of it.
            if status.startswith("429") and not decision.admitted and not _says_when(headers):
                headers.append(("Retry-After", str(retry_seconds(decision))))
        except Exception as error:
            self._failed("response", error)


def refusal(error: RateLimitExceeded, environ: WSGIEnvironment) -> Response:
    """Make the response to a refused request, in the form that the client asks for.

    The headers that show the decision are added to it on its way, as to any other.
    """
    return Response(
        error.get_body(environ),
        error.code,
        [*error.form_headers(environ), ("Retry-After", str(error.retry_after))],
    )


def early_refusal(
    environ: WSGIEnvironment, decision: Decision, message: str | None, form: Form
) -> Refusal:
    """Make the response to a request that is refused without Flask."""
    body = body_of(decision, message, form).encode()
    headers = [
        ("Content-Type", CONTENT_TYPES[form]),
        ("Content-Length", str(len(body))),
        ("Vary", "Accept"),
        ("Retry-After", str(retry_seconds(decision))),
    ]
    status = status_of(decision)
    line = f"{status} {HTTP_STATUS_CODES[status].upper()}"
    return Refusal(line, headers, b"" if environ.get("REQUEST_METHOD") == "HEAD" else body)


def _form(environ: WSGIEnvironment | None) -> Form:
    """Choose the form of an answer, to the current request if none is given."""
    if environ is None and has_request_context():
        environ = request.environ
    return "json" if environ is None else form_for(environ)


def _quoted(name: str) -> str:
    """Write a name as a string of RFC 9651: printable ASCII, quotes and backslashes escaped."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in name)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _says_when(headers: Headers) -> bool:
    return any(name.lower() == "retry-after" for name, _ in headers)
