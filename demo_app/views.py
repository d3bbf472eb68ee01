"""Serve the demo site: a catalogue, a form, an expensive report, a login."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final, TypeGuard

from flask import Flask, abort, jsonify, render_template_string, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, default_exceptions

from demo_app.catalogue import PAGES, description, is_on_sale, item, page_of_items
from flask_irl import IntelligentLimiter

PASSWORD: Final = "correct horse"  # noqa: S105  # of every made-up account
MAX_CHARACTERS: Final = 100
"""Most characters of a user's name, and of a password."""
MAX_VALUES: Final = 1000
MAX_VALUE: Final = 1e12
ROUNDS: Final = 2000

HOME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>flask_irl demo</title></head>
<body><h1>flask_irl demo</h1>
{% if decision %}<p>You are <code>{{ decision.key }}</code> and have {{ decision.remaining }} of
{{ decision.limit }} requests left for the next {{ decision.reset_after | round | int }} of
{{ decision.window_seconds }} seconds.</p>{% endif %}
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
        text = request.args.get("page", "1")
        page = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        if not 1 <= page <= PAGES:
            abort(400, f"page must be a whole number from 1 to {PAGES}")
        return jsonify(page=page, pages=PAGES, items=page_of_items(page))

    @app.get("/api/items/<int:number>")
    def one_item(number: int) -> ResponseReturnValue:
        if not is_on_sale(number):
            abort(404, "there is no such item on sale")
        return jsonify(item(number) | {"description": description(number)})

    @app.post("/api/process")
    def process() -> ResponseReturnValue:
        values = _payload().get("values")
        if not isinstance(values, list) or not 1 <= len(values) <= MAX_VALUES:
            abort(400, f'send {{"values": [...]}} with 1 to {MAX_VALUES} numbers')
        if not all(type(x) in (int, float) and abs(x) <= MAX_VALUE for x in values):
            abort(400, f"each value must be a number from {-MAX_VALUE:g} to {MAX_VALUE:g}")
        return jsonify(count=len(values), sum=sum(values), mean=sum(values) / len(values))

    @app.get("/api/heavy-operation")
    @limiter.limit("20/minute")
    def heavy_operation() -> ResponseReturnValue:
        digest = b"flask_irl"
        for _ in range(ROUNDS):
            digest = hashlib.sha256(digest).digest()
        return jsonify(rounds=ROUNDS, digest=digest.hex())

    @app.post("/login")
    def login() -> ResponseReturnValue:
        payload = _payload()
        user, password = payload.get("user"), payload.get("password")
        if not _is_word(user) or not _is_word(password):
            abort(400, f'send {{"user": …, "password": …}}, each 1 to {MAX_CHARACTERS} characters')
        if not hmac.compare_digest(password.encode(errors="replace"), PASSWORD.encode()):
            abort(401, "wrong user or password")
        return jsonify(user=user)

    @app.get("/health")
    @limiter.exempt
    def health() -> ResponseReturnValue:
        return jsonify(status="ok" if limiter.healthy else "degraded")

    # Refusals are left to the limiter, which answers most of them in front of Flask.
    for code in default_exceptions.keys() - {429, 503}:
        app.register_error_handler(code, _as_json)


def _payload() -> dict[str, Any]:
    """Parse the object in the request's body, whatever type the client declares."""
    try:
        payload = request.get_json(force=True)
    except RecursionError:
        abort(400, "the body is nested too deeply")
    if not isinstance(payload, dict):
        abort(400, "send a JSON object")
    return payload


def _is_word(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 1 <= len(value) <= MAX_CHARACTERS


def _as_json(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:
        return error.get_response()
    response = jsonify(error=error.name, detail=error.description)
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return response, error.code or 500, headers
