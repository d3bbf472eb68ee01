"""Serve the API's documentation: the OpenAPI document, and Swagger UI from our own host."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import flask_swagger_ui
from flask import Blueprint, Response, request, send_from_directory
from werkzeug.exceptions import NotFound

from flask_irl.admin.errors import add_error_handlers
from flask_irl.admin.prefix import DOCS_BLUEPRINT
from flask_irl.admin.responses import json_response
from flask_irl.admin.state import current_admin

OWN: Final = Path(__file__).parent / "static"
SWAGGER_UI: Final = Path(flask_swagger_ui.__file__).parent / "dist"
FILES: Final = {
    "docs.js": OWN,
    "docs.css": OWN,
    "swagger-ui-bundle.js": SWAGGER_UI,
    "swagger-ui.css": SWAGGER_UI,
    "favicon-32x32.png": SWAGGER_UI,
}
"""Files of the page with their folders; nothing else is served."""
POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


class _DocsBlueprint(Blueprint):
    """Register the views of the documentation."""

    enable_openapi = False
    """Tells APIFlask that its own document leaves these views out."""


docs_blueprint = _DocsBlueprint(DOCS_BLUEPRINT, __name__)
add_error_handlers(docs_blueprint)


@docs_blueprint.get("/openapi.json")
def openapi() -> Response:
    """Serve the OpenAPI document."""
    document: dict[str, Any] = {
        **current_admin().spec(),
        # The paths begin at the prefix that the app itself is mounted at.
        "servers": [{"url": request.root_path or "/"}],
    }
    response = json_response(document)
    response.headers["Cache-Control"] = "no-store"
    return response


@docs_blueprint.get("/docs")
def docs() -> Response:
    """Serve the page."""
    response = send_from_directory(OWN, "docs.html")
    response.headers["Cache-Control"] = "no-store"
    return response


@docs_blueprint.get("/docs/<name>")
def file(name: str) -> Response:
    """Serve a file of the page."""
    if name not in FILES:
        raise NotFound("There is no such file.")
    return send_from_directory(FILES[name], name, max_age=3600)


@docs_blueprint.after_request
def _harden(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
