"""The test suite of a host: an app and its limiter for each test, and nothing left of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flask_irl import IntelligentLimiter

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
TIMEOUT = 120
APPS = 100

SUITE = f"""
import threading
import time

import pytest
from flask import Flask
from flask_irl import IntelligentLimiter

@pytest.fixture
def app():
    app = Flask("shop")
    limiter = IntelligentLimiter(app)

    @app.get("/")
    def index():
        return "hello"

    yield app
    limiter.close()

@pytest.mark.parametrize("number", range({APPS}))
def test_the_page_is_there(app, number):
    answers = [app.test_client().get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    # Each test's app counts anew.
    assert answers[-1].headers["X-RateLimit-Remaining"] == "97"

def test_no_thread_is_left():
    # Closing waits for none of them.
    deadline = time.monotonic() + 20
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
"""


@pytest.mark.skipif(not hasattr(IntelligentLimiter, "close"), reason="needs limiter.close()")
def test_a_hundred_apps_leave_no_thread_and_no_word(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(SUITE)
    options = ("-q", "-W", "error", "-p", "no:dash", "-p", "no:cacheprovider")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert result.returncode == 0, result.stdout
    assert f"{APPS + 1} passed" in result.stdout
    assert result.stderr == ""
