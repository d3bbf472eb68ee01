"""Refused uploads behind nginx: their client gets its 429, and nobody else notices."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workers import PATIENCE, Workers
from tests.nginx import NginxServer
from tests.servers import HOST

pytestmark = [pytest.mark.integration, pytest.mark.slow]

APP = """
import os

from flask import Flask, jsonify
from flask_irl import IntelligentLimiter
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask("site")
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)
limiter = IntelligentLimiter(app, storage_uri="memory://", base_limit=60)

@app.route("/", methods=["GET", "POST"])
def index():
    return jsonify("hello")

@app.get("/model")
@limiter.exempt
def model():
    return jsonify(None)
"""
CONFIG = """
workers = 1
worker_class = "{}"
threads = {}
control_socket_disable = True
"""
# Each server is taken out of the pool after one failure, as is nginx's default.
SITE = """
    upstream app {{ server {}; server {}; keepalive 16; }}
    client_max_body_size 20m;
    server {{
        listen %PORT%;
        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $http_x_client;
        }}
    }}
"""
OFFENDER = "203.0.113.9"
UPLOAD = bytes(5_000_000)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxServer]:
    """Run nginx in front of two gunicorns, one with threads and one without."""
    folders = [tmp_path_factory.mktemp(name) for name in ("gthread", "sync")]
    with start(folders[0], "gthread", 4) as threads, start(folders[1], "sync", 1) as single:
        site = SITE.format(f"{HOST}:{threads.port}", f"{HOST}:{single.port}")
        with NginxServer(site) as running:
            yield running


def start(folder: Path, worker_class: str, threads: int) -> Workers:
    return Workers(folder, "memory://", APP, config=CONFIG.format(worker_class, threads))


def ask(port: int, client: str, body: bytes | None = None) -> tuple[int, str | None]:
    """Send a request on a connection of its own; its status and what it says of waiting."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, "/", body, {"X-Client": client})
        response = connection.getresponse()
        response.read()
        return response.status, response.headers["Retry-After"]
    finally:
        connection.close()


def test_refused_uploads_get_their_429_and_cost_nobody_else_anything(nginx: NginxServer) -> None:
    for _ in range(2 * 60 + 2):
        ask(nginx.port, OFFENDER)
    uploads, visits = [], []
    for number in range(12):
        uploads.append(ask(nginx.port, OFFENDER, UPLOAD))
        visits += [ask(nginx.port, f"198.51.100.{number}")[0] for _ in range(4)]
    assert [status for status, _ in uploads] == [429] * 12, nginx.log
    assert all(wait is not None and int(wait) > 0 for _, wait in uploads)
    assert visits == [200] * 48
    assert "reset by peer" not in nginx.log
