"""A refused visitor reads the limiter's page in a real browser, on a site with a strict policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from werkzeug.serving import make_server

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from tests.chromium import chromium_with
from tests.servers import HOST

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture
def origin() -> Iterator[str]:
    """Serve a site that lets its pages load nothing at all."""
    app = Flask("site")
    limiter = IntelligentLimiter(app, base_limit=1, background=False, admin=False)
    app.add_url_rule("/", "index", lambda: "<title>welcome</title>")

    @app.after_request
    def restrict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'none'"
        return response

    server = make_server(HOST, 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://{HOST}:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    limiter.close()
    state_of(app).limiter.close()


@pytest.fixture
def chromium(tmp_path: Any) -> Iterator[Chrome]:
    """Start a headless Chromium with an empty profile."""
    with chromium_with(tmp_path) as driver:
        yield driver


def test_a_refused_visitor_reads_when_to_try_again(chromium: Chrome, origin: str) -> None:
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    chromium.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    chromium.get(origin)
    assert chromium.title == "welcome"
    # The first refusal comes from within Flask, with the policy; the second from in front of it.
    for _ in range(2):
        chromium.get(origin)
        assert chromium.title == "Too many requests"
        words = chromium.find_element(By.TAG_NAME, "body").text
        assert "Try again in" in words
        ink = chromium.execute_script("return getComputedStyle(document.body).color")
        assert ink == "rgb(255, 255, 255)"
        wide = chromium.execute_script("return document.documentElement.scrollWidth")
        assert wide <= PHONE["width"]
    entries: list[dict[str, Any]] = chromium.get_log("browser")  # type: ignore[no-untyped-call]
    messages = [entry["message"] for entry in entries]
    assert [m for m in messages if "429" not in m and "favicon" not in m] == []
