"""Answer a client: the headers of a decision, and the response to a refused request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flask import Request, Response, has_request_context, request
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests
from werkzeug.http import HTTP_STATUS_CODES

from flask_irl.limits.decision import REFUSED, Decision
from flask_irl.web.exchange import Header, Headers, Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PROBLEM: Final = "application/problem+json"
RATE_HEADERS: Final = frozenset(
    f"x-ratelimit-{what}" for what in ("limit", "remaining", "reset")
) | {"ratelimit", "ratelimit-policy"}
USUAL_HEADERS: Final = frozenset({"Content-Type", "Content-Length", "Set-Cookie", "Location"})
DEFAULT_SCOPE: Final = '"default"'
PROBLEM_TYPES: Final = "https://iana.org/assignments/http-problem-types#"


class RateLimitExceeded(TooManyRequests):
    """Refuse a request: a 429 wherever it is met, whose response is what the client would get.

    Args:
        decision: The decision.
        message: Its text instead of "Rate limit exceeded".
        shown: The headers that show the decision.

    Attributes:
        decision: The same.
        retry_after: Whole seconds after which the client is admitted, at least one.
    """

    code: int = 429
    default_text = "Rate limit exceeded"

    def __init__(
        self, decision: Decision, message: str | None = None, shown: Sequence[Header] = ()
    ) -> None:
        super().__init__(message or self.default_text, retry_after=retry_seconds(decision))
        self.decision = decision
        self._message = message
        self._shown = shown

    def get_body(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, Any] | None = None
    ) -> str:
        """Write the body as the client asks for it: JSON, or problem+json."""
        return self._answer(environ).text

    def get_headers(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, Any] | None = None
    ) -> Headers:
        """List the headers: type, ``Retry-After``, and those that show the decision."""
        return [
            ("Content-Type", self._answer(environ).mimetype),
            ("Retry-After", str(self.retry_after)),
            *self._shown,
        ]

    def _answer(self, environ: WSGIEnvironment | None) -> Body:
        if environ is not None:
            problem = _wants_problem(Request(environ))
        else:
            problem = has_request_context() and _wants_problem(request)
        return answer_to(self.decision, self._message, problem=problem)


class LimiterUnavailable(RateLimitExceeded, ServiceUnavailable):
    """Refuse a request while no store answers and none may pass (``on_store_error="deny"``)."""

    code = 503
    default_text = "Rate limiter unavailable"


def seconds(duration: float) -> int:
    """Round a duration up to whole seconds, as headers show it, so that waiting it suffices."""
    # The store counts in microseconds; an excess by floats is no second.
    return -(-int(duration * 1e6 + 0.5) // 1_000_000) if duration > 0 else 0


def retry_seconds(decision: Decision) -> int:
    """Give the seconds for ``Retry-After`` of a refused request: at least one."""
    return max(1, seconds(decision.retry_after))


def epoch_seconds(at: float, duration: float) -> int:
    """Give the first whole second since the epoch at which a duration that began at one is over."""
    micros = int(at * 1e6 + 0.5) + (int(duration * 1e6 + 0.5) if duration > 0 else 0)
    return -(-micros // 1_000_000)


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
    """

    def __init__(
        self,
        *,
        headers_enabled: bool,
        ietf: bool,
        epoch: bool,
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._headers_enabled = headers_enabled
        self._ietf = ietf
        self._epoch = epoch
        self._failed = failed

    def exceeded(self, decision: Decision, message: str | None) -> RateLimitExceeded:
        """Make the exception that refuses a request."""
        kind = LimiterUnavailable if decision.source == "none" else RateLimitExceeded
        shown: Headers = []
        self.complete(decision, "", shown)
        return kind(decision, message, shown)

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


class Body(NamedTuple):
    """Hold the status, mimetype and text of the answer to a refused request."""

    status: int
    mimetype: str
    text: str


def answer_to(decision: Decision, message: str | None, *, problem: bool = False) -> Body:
    """Write the answer to a refused request: 429, or 503 without a store where none may pass.

    Args:
        decision: The decision.
        message: Its text instead of "Rate limit exceeded".
        problem: As ``application/problem+json`` (RFC 9457).
    """
    if decision.source == "none":
        status, error = 503, "Rate limiter unavailable"
    else:
        status, error = 429, message or "Rate limit exceeded"
    members = {
        "limit": decision.limit,
        "remaining": decision.remaining,
        "reset_in": seconds(decision.reset_after),
        "is_anomalous": decision.is_anomalous,
    }
    if not problem:
        body: dict[str, object] = {"detail": {"error": error, **members}}
        return Body(status, "application/json", json.dumps(body))
    kind = "abnormal-usage-detected" if decision.is_anomalous else "quota-exceeded"
    wait = retry_seconds(decision)
    body = {
        "type": PROBLEM_TYPES + kind if status == 429 else "about:blank",
        "title": error,
        "status": status,
        "detail": f"{error}. Try again in {wait} second{'s' * (wait > 1)}.",
        **members,
    }
    return Body(status, PROBLEM, json.dumps(body))


def refusal(current: Request, decision: Decision, message: str | None) -> Response:
    """Make the response to a refused request, in the form that the client asks for."""
    status, mimetype, text = answer_to(decision, message, problem=_wants_problem(current))
    response = Response(text, status, mimetype=mimetype)
    response.headers["Retry-After"] = str(retry_seconds(decision))
    return response


def early_refusal(environ: WSGIEnvironment, decision: Decision, message: str | None) -> Refusal:
    """Make the response to a request that is refused without Flask."""
    status, mimetype, text = answer_to(decision, message)
    body = text.encode()
    headers = [
        ("Content-Type", mimetype),
        ("Content-Length", str(len(body))),
        ("Retry-After", str(retry_seconds(decision))),
    ]
    line = f"{status} {HTTP_STATUS_CODES[status].upper()}"
    return Refusal(line, headers, b"" if environ.get("REQUEST_METHOD") == "HEAD" else body)


def may_want_problem(environ: WSGIEnvironment) -> bool:
    """Tell at a glance whether a client may want problem+json."""
    accept = environ.get("HTTP_ACCEPT")
    return accept is not None and "problem" in accept.lower()


def _wants_problem(current: Request) -> bool:
    """Tell whether the client names problem+json, and wants it no less than JSON."""
    accept = current.accept_mimetypes
    named = any(mimetype.lower() == PROBLEM for mimetype, quality in accept if quality > 0)
    return named and accept[PROBLEM] >= accept["application/json"]


def _quoted(name: str) -> str:
    """Write a name as a string of RFC 9651: printable ASCII, quotes and backslashes escaped."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in name)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _says_when(headers: Headers) -> bool:
    return any(name.lower() == "retry-after" for name, _ in headers)
