"""The demo site: a catalogue to browse, something to post, something expensive, a login."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

from flask import Flask, abort, jsonify, render_template_string, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from flask_irl import IntelligentLimiter

ITEMS: Final = 2000
PAGE: Final = 20
PAGES: Final = ITEMS // PAGE
MOST_TERMS: Final = 1000
PASSWORD: Final = "correct horse"  # noqa: S105  # of every made-up account, and in the README
MAX_LENGTH: Final = 100
"""Characters that a user's name or password may have."""

HOME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>flask_irl demo</title></head>
<body><h1>flask_irl demo</h1>
<p>You are <code>{{ decision.key }}</code>: {{ decision.remaining }} of {{ decision.limit }}
requests left for {{ decision.window_seconds }} seconds.</p>
<ul><li><a href="/api/data">/api/data</a></li><li><a href="/api/items/1">/api/items/1</a></li>
<li><a href="/api/heavy-operation">/api/heavy-operation</a></li></ul></body></html>
"""


def add_views(app: Flask, limiter: IntelligentLimiter) -> None:
    """Add the site's views.

    Args:
        app: The app.
        limiter: Registered with it.
    """

    @app.get("/")
    def index() -> str:
        return render_template_string(HOME, decision=limiter.current_decision)

    @app.get("/api/data")
    def data() -> ResponseReturnValue:
        page = request.args.get("page", "1")
        if not (page.isascii() and page.isdigit() and len(page) < 6 and 1 <= int(page) <= PAGES):
            abort(400, f"page must be a whole number from 1 to {PAGES}")
        first = (int(page) - 1) * PAGE + 1
        return jsonify(
            page=int(page),
            pages=PAGES,
            items=[item(number) for number in range(first, first + PAGE)],
        )

    @app.get("/api/items/<int:number>")
    def one_item(number: int) -> ResponseReturnValue:
        if not 1 <= number <= ITEMS:
            abort(404, f"there are items 1 to {ITEMS}")
        return jsonify(item(number), text=text_of(number))

    @app.post("/api/process")
    def process() -> ResponseReturnValue:
        body = request.get_json()
        if not isinstance(body, dict) or not _are_numbers(body.get("values")):
            abort(400, 'send {"values": [...]}, 1 to 1000 finite numbers')
        values = body["values"]
        return jsonify(count=len(values), sum=sum(values), mean=sum(values) / len(values))

    @app.get("/api/heavy-operation")
    @limiter.limit("20/minute")
    def heavy_operation() -> ResponseReturnValue:
        digest = b"flask_irl"
        for _ in range(2000):
            digest = hashlib.sha256(digest).digest()
        return jsonify(rounds=2000, digest=digest.hex())

    @app.post("/login")
    def login() -> ResponseReturnValue:
        body = request.get_json()
        if not isinstance(body, dict):
            body = {}
        user, password = body.get("user"), body.get("password")
        if not _is_word(user) or not _is_word(password):
            abort(400, f'send {{"user": "...", "password": "..."}}, up to {MAX_LENGTH} characters')
        if not hmac.compare_digest(password.encode(errors="replace"), PASSWORD.encode()):
            abort(401, "wrong user or password")
        return jsonify(user=user)

    @app.get("/health")
    @limiter.exempt
    def health() -> ResponseReturnValue:
        return jsonify(status="ok" if limiter.healthy else "degraded")

    @app.errorhandler(HTTPException)
    def as_json(error: HTTPException) -> ResponseReturnValue:
        if error.code is None or error.code < 400 or error.response is not None:
            return error.get_response()
        response = jsonify(error=error.name, detail=error.description)
        return response, error.code, dict(error.get_headers()) | {"Content-Type": "application/json"}
