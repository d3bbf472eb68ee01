"""What a client sees of a decision: headers, and the answer to a refused request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from flask import Request, Response
from werkzeug.exceptions import TooManyRequests

from flask_irl.limits.decision import REFUSED, Decision

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
    """A refused request, for the app's own handlers of 429.

    Attributes:
        decision: What was decided.
        code: 429; None when the app has no such handler and ``response`` is the answer.
    """

    def __init__(
        self, decision: Decision, message: str | None = None, response: Response | None = None
    ) -> None:
        super().__init__(message or "Rate limit exceeded", response)
        self.decision = decision
        if response is not None:
            # As of werkzeug's abort(response): the app's catch-all handlers leave it alone.
            self.code = None  # type: ignore[assignment]


def seconds(duration: float) -> int:
    """A duration as headers show it: whole seconds, rounded up, so that waiting it suffices."""
    # The store counts in microseconds; what floats add beyond is no second.
    return -(-int(duration * 1e6 + 0.5) // 1_000_000) if duration > 0 else 0


def retry_seconds(decision: Decision) -> int:
    """How long a refused client has to wait, as ``Retry-After`` says it: at least a second."""
    return max(1, seconds(decision.retry_after))


def set_headers(headers: list[tuple[str, str]], decision: Decision, *, ietf: bool) -> None:
    """Put a decision into a response's headers, as WSGI has them.

    Args:
        headers: Of the response.
        decision: What was decided.
        ietf: Also ``RateLimit`` and ``RateLimit-Policy``
            (draft-ietf-httpapi-ratelimit-headers-10).
    """
    for name, _ in headers:
        if name not in USUAL_HEADERS and name.lower() in RATE_HEADERS:
            headers[:] = [item for item in headers if item[0].lower() not in RATE_HEADERS]
            break
    outcome, _, limit, remaining, reset_after, _, _, _, _, window, scope, _, _, _ = decision
    reset = seconds(reset_after)
    headers += (
        ("X-RateLimit-Limit", str(limit)),
        ("X-RateLimit-Remaining", str(remaining)),
        ("X-RateLimit-Reset", str(reset)),
    )
    if ietf:
        name = _quoted(scope) if scope else DEFAULT_SCOPE
        # The draft's t is when there is quota again, which may be before the window ends.
        when = min(reset, retry_seconds(decision)) if outcome in REFUSED else reset
        headers += (
            ("RateLimit-Policy", f"{name};q={limit};w={window}"),
            ("RateLimit", f"{name};r={remaining};t={when}"),
        )


class Refusal(NamedTuple):
    """The answer to a refused request, without the headers of its limits."""

    status: int
    mimetype: str
    body: str


def answer_to(decision: Decision, message: str | None, *, problem: bool = False) -> Refusal:
    """The answer to a refused request: 429, or 503 when there is no store and none may pass.

    Args:
        decision: What was decided.
        message: What it says instead of "Rate limit exceeded".
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
        return Refusal(status, "application/json", json.dumps(body))
    kind = "abnormal-usage-detected" if decision.is_anomalous else "quota-exceeded"
    wait = retry_seconds(decision)
    body = {
        "type": PROBLEM_TYPES + kind if status == 429 else "about:blank",
        "title": error,
        "status": status,
        "detail": f"{error}. Try again in {wait} second{'s' * (wait > 1)}.",
        **members,
    }
    return Refusal(status, PROBLEM, json.dumps(body))


def refusal(request: Request, decision: Decision, message: str | None) -> Response:
    """The refusal as the client asks for it."""
    status, mimetype, body = answer_to(decision, message, problem=_wants_problem(request))
    response = Response(body, status, mimetype=mimetype)
    response.headers["Retry-After"] = str(retry_seconds(decision))
    return response


def may_want_problem(environ: WSGIEnvironment) -> bool:
    """Whether a client may want problem+json, at a glance."""
    accept = environ.get("HTTP_ACCEPT")
    return accept is not None and "problem" in accept.lower()


def _wants_problem(request: Request) -> bool:
    """Whether the client names problem+json, and wants it no less than JSON."""
    accept = request.accept_mimetypes
    named = any(mimetype.lower() == PROBLEM for mimetype, quality in accept if quality > 0)
    return named and accept[PROBLEM] >= accept["application/json"]


def _quoted(name: str) -> str:
    """A name as a string of RFC 9651: printable ASCII, quotes and backslashes escaped."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in name)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
