"""Make apps with the admin API, and send requests to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_irl.admin import register
from flask_irl.admin.tokens import Token
from flask_irl.operations import Operations

WRITE = "write-token-of-the-tests"
READ = "read-token-of-the-tests"
TOKENS = (Token("oncall", WRITE, "write"), Token("dashboard", READ, "read"))
ROUTES = [{"route": "/api/data", "methods": ["GET"], "limits": [], "exempt": False}]
PROBLEM = "application/problem+json"


def make_app(operations: Operations, **options: Any) -> Flask:
    """Make an app with the admin API; the options are ``register``'s."""
    app = Flask("host")
    app.testing = True
    given = {"tokens": TOKENS, "routes": lambda: ROUTES, **options}
    register(app, operations=operations, **given)
    return app


class Caller:
    """Send requests with a token.

    Args:
        client: Of an app with the admin API.
        token: None to send none.
    """

    def __init__(self, client: FlaskClient, token: str | None = WRITE) -> None:
        self._client = client
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        """Give the response, a ``TestResponse``; typed as any, so that its JSON may be any."""
        headers = {**self._headers, **options.pop("headers", {})}
        # Buffered: files are closed when they are read.
        return self._client.open(path, method=method, headers=headers, buffered=True, **options)


def problem_of(response: TestResponse, status: int) -> dict[str, Any]:
    """Check that a response is a problem of a status, and give its members."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == PROBLEM
    members: dict[str, Any] = json.loads(response.data)
    assert members["status"] == status
    assert members["detail"]
    return members


def moment(seconds: float) -> str:
    """Write a moment as the API does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
