"""Register the views of the operator's page, and harden what they answer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, request, send_from_directory
from werkzeug.exceptions import HTTPException, NotFound, default_exceptions
from werkzeug.wrappers import Response as BaseResponse

from flask_irl.admin.errors import SAFE_METHODS, tell_store_error
from flask_irl.admin.pages.access import admit, send_host_cookie
from flask_irl.admin.pages.rendering import page
from flask_irl.admin.prefix import PAGES_BLUEPRINT
from flask_irl.errors import ConfigurationError, ModelError, StoreError, TrainingRefused

STATIC: Final = Path(__file__).parent / "static"
FILES: Final = ("page.css", "page.js")
POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)


class _PagesBlueprint(Blueprint):
    """Register the views of the page."""

    enable_openapi = False
    """Tells APIFlask that its own document leaves these views out."""


pages = _PagesBlueprint(PAGES_BLUEPRINT, __name__)
pages.before_request(admit)


@pages.get("/page/files/<name>")
def file(name: str) -> Response:
    """Serve a file of the page."""
    if name not in FILES:
        raise NotFound("There is no such file.")
    return send_from_directory(STATIC, name, max_age=300)


@pages.after_request
def harden(response: Response) -> Response:
    """Have the browser keep the page to itself: no frame, no other site's content, no copy."""
    headers = response.headers
    headers["Content-Security-Policy"] = POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    # Not "no-referrer": browsers would then send "Origin: null" with the page's own forms.
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if response.mimetype == "text/html":
        headers["Cache-Control"] = "no-store"
        if request.method in SAFE_METHODS and response.status_code == 200:
            digest = hashlib.sha256(response.get_data()).hexdigest()
            response.set_etag(digest[:32])
            response.make_conditional(request)
    return send_host_cookie(response)


def _error(error: HTTPException) -> BaseResponse:
    if error.response is not None:
        # A whole response, such as the host's redirect to its login.
        return error.get_response()
    response = page("error.html", error.code or 500, title=error.name, text=error.description or "")
    response.headers.extend(
        [(k, v) for k, v in error.get_headers() if k.lower() not in ("content-type",)]
    )
    return response


def _store_error(error: StoreError) -> Response:
    tell_store_error(error)
    text = f"The store doesn't answer as it should: {str(error).rstrip('.')}."
    if request.method not in SAFE_METHODS:
        text += " The change may have been made or not: look, and send it again."
    return page("error.html", 503, title="The store is out", text=text)


def _not_allowed(error: ConfigurationError) -> Response:
    return page("error.html", 422, title="Not allowed", text=f"{error}.")


def _conflict(error: ModelError | TrainingRefused) -> Response:
    return page("error.html", 409, title="Not now", text=f"{error}.")


# By status, too: an app's handler for 404 goes before a blueprint's handler for all.
for _status in default_exceptions:
    pages.register_error_handler(_status, _error)
pages.register_error_handler(HTTPException, _error)
pages.register_error_handler(StoreError, _store_error)
pages.register_error_handler(ConfigurationError, _not_allowed)
pages.register_error_handler(ModelError, _conflict)
pages.register_error_handler(TrainingRefused, _conflict)
