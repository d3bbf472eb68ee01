"""gunicorn with gevent that has loaded the app before gevent came: it ends as any other does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_irl.config.options import Options
from flask_irl.stores.open import open_store
from tests.integration.workers import SHUTDOWN, Workers
from tests.servers import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

APP = """
import os

from flask import Flask, jsonify, request
from flask_irl import IntelligentLimiter

app = Flask("site")
limiter = IntelligentLimiter(
    app,
    storage_uri=os.environ["STORE"],
    base_limit=1000,
    store_timeout=10.0,
    key_func=lambda: request.headers["X-Client"],
)
# Another app, whose limiter ends with this process, too.
other = Flask("other")
IntelligentLimiter(other, storage_uri=os.environ["STORE"], key_prefix="other")

@app.get("/")
def index():
    return jsonify("hello")

@app.get("/model")
@limiter.exempt
def model():
    worker = app.extensions["flask_irl"].limiter.worker
    with other.test_client() as client:
        client.get("/")
    return jsonify(worker.running)
"""
CONFIG = """
workers = 1
worker_class = "gevent"
preload_app = {}
control_socket_disable = True
"""


@pytest.mark.parametrize("preload", [True, False], ids=["preloaded", "as usual"])
def test_it_ends_without_a_word_and_with_all_that_was_learned(
    tmp_path: Path, redis_url: str, preload: bool
) -> None:
    with Workers(tmp_path, redis_url, APP, config=CONFIG.format(preload)) as workers:
        workers.get("/", "first")
        wait_until(lambda: workers.get("/model")[1], "background work")
        for _ in range(30):
            assert workers.get("/")[0] == 200
        workers.process.terminate()
        assert workers.process.wait(SHUTDOWN) == 0
    assert "Traceback" not in workers.log
    assert "SIGKILL" not in workers.log
    assert requests_learned(redis_url) == 31
    assert requests_learned(redis_url, key_prefix="other") >= 1


def requests_learned(url: str, **options: Any) -> int:
    """Count the requests that flushes have brought into the store."""
    store = open_store(Options(storage_uri=url, store_timeout=10.0, **options))
    try:
        return store.counts().get("requests", 0)
    finally:
        store.close()
