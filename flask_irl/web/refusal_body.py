"""Write the body of a refusal in the form that the client asks for: JSON, problem+json or HTML."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from markupsafe import escape
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from flask_irl.limits.decision import Decision
from flask_irl.web.durations import in_words, retry_seconds, seconds

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Form = Literal["json", "problem", "html"]

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
HTML: Final = "text/html"
CONTENT_TYPES: Final[dict[Form, str]] = {
    "json": JSON,
    "problem": PROBLEM,
    "html": f"{HTML}; charset=utf-8",
}
PROBLEM_TYPES: Final = "https://iana.org/assignments/http-problem-types#"
MAX_ACCEPT: Final = 500
"""Characters of an ``Accept`` header that are looked at; those of browsers have 200."""
MAX_RANGES: Final = 16
"""Media ranges of it: a stranger may send hundreds, and to parse one takes as long as to refuse."""

# Without a style or a script, which a strict Content-Security-Policy would forbid: the browser's
# own are readable, and dark where the user likes that. It doesn't load itself again when the time
# is over: each tab would send a request that nobody asked for, and people who read slowly would
# lose their place.
PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
<p>{reason}</p>
<p>Try again in <strong>{wait}</strong>.</p>
</body>
</html>
"""
TITLES: Final = {429: "Too many requests", 503: "Temporarily unavailable"}
REASONS: Final = {
    429: "This site has had more requests from you than it allows.",
    503: "This site can't answer your request at the moment.",
}


Page = Callable[[Decision, str | None], str]
"""Writes the page of a refusal, given the decision and the limit's own message."""


def form_for(environ: WSGIEnvironment) -> Form:
    """Choose the form that a client asks for; JSON unless it names another one."""
    accept: str | None = environ.get("HTTP_ACCEPT")
    return "json" if accept is None else _form(accept[:MAX_ACCEPT])


@functools.lru_cache(maxsize=256)
def _form(accept: str) -> Form:
    first = ",".join(accept.split(",", MAX_RANGES)[:MAX_RANGES])
    ranges = parse_accept_header(first, MIMEAccept)
    named = {mimetype.lower() for mimetype, quality in ranges if quality > 0}
    if PROBLEM in named and ranges[PROBLEM] >= ranges[JSON]:
        return "problem"
    # As specific as the wildcard by which JSON may come as well, HTML is what was meant.
    wanted = ranges[HTML] > ranges[JSON] or (ranges[HTML] == ranges[JSON] and JSON not in named)
    return "html" if HTML in named and wanted else "json"


def status_of(decision: Decision) -> int:
    """Give the status of a refusal: 429, or 503 without a store where none may pass."""
    return 503 if decision.source == "none" else 429


def page(decision: Decision, message: str | None) -> str:
    """Write the limiter's own page of a refusal."""
    status = status_of(decision)
    reason = message if message and status == 429 else REASONS[status]
    return PAGE.format(
        title=TITLES[status], reason=escape(reason), wait=in_words(retry_seconds(decision))
    )


def body_of(
    decision: Decision, message: str | None, form: Form = "json", write_page: Page = page
) -> str:
    """Write the body of the answer to a refused request.

    Args:
        decision: The decision.
        message: Its text instead of "Rate limit exceeded".
        form: ``json``, ``problem`` (RFC 9457) or ``html``.
        write_page: Writes that in HTML.
    """
    if form == "html":
        return write_page(decision, message)
    status = status_of(decision)
    error = "Rate limiter unavailable" if status == 503 else message or "Rate limit exceeded"
    members = {
        "limit": decision.limit,
        "remaining": decision.remaining,
        "reset_in": seconds(decision.reset_after),
        "is_anomalous": decision.is_anomalous,
    }
    if form == "json":
        return json.dumps({"detail": {"error": error, **members}})
    kind = "abnormal-usage-detected" if decision.is_anomalous else "quota-exceeded"
    wait = retry_seconds(decision)
    return json.dumps(
        {
            "type": PROBLEM_TYPES + kind if status == 429 else "about:blank",
            "title": error,
            "status": status,
            "detail": f"{error}. Try again in {wait} second{'s' * (wait > 1)}.",
            **members,
        }
    )
