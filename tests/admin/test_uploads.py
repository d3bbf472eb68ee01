"""What the admin API doesn't take is read and dropped, as any refused upload is."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import create_environ, run_wsgi_app

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of

TOKEN = "token-of-the-upload-test"
LENGTH = 300_000


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/admin/limits", None, "401"),
        ("/admin/limits", "a-token-that-is-wrong", "403"),
        ("/admin/limits", TOKEN, "413"),
        ("/admin/stats", TOKEN, "405"),
        ("/admin/nowhere", None, "404"),
    ],
)
def test_an_upload_that_is_not_taken_is_read_to_its_end(
    path: str, token: str | None, status: str
) -> None:
    app = Flask("site")
    IntelligentLimiter(app, admin_token=TOKEN, background=False)
    upload = io.BytesIO(bytes(LENGTH))
    environ: dict[str, Any] = create_environ(path, method="PUT")
    environ |= {"wsgi.input": upload, "CONTENT_LENGTH": str(LENGTH), "REMOTE_ADDR": "203.0.113.9"}
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    _, answered, _ = run_wsgi_app(app, environ)
    assert (answered[:3], upload.tell()) == (status, LENGTH)
    state_of(app).limiter.close()
