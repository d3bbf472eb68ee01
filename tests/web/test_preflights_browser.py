"""A page of another site, in a real browser, reads why it is refused and for how long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, jsonify
from flask_cors import CORS
from selenium.webdriver import Chrome
from werkzeug.serving import make_server

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from tests.chromium import chromium_with
from tests.servers import HOST

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LIMIT = 4
EXPOSED = ["Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
POST_UNTIL_REFUSED = """
const [url, most, done] = arguments;
(async () => {
  const seen = [];
  for (let n = 0; n < most; n++) {
    try {
      const answer = await fetch(`${url}/order/${n}`, {
        method: "POST",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify({number: n}),
      });
      const header = (name) => answer.headers.get(name);
      seen.push([answer.status, header("Retry-After"), header("X-RateLimit-Remaining")]);
    } catch (error) {
      seen.push([String(error), null, null]);
    }
  }
  return seen;
})().then(done);
"""


class Served:
    """Serve an app on a port of its own within a ``with``."""

    def __init__(self, app: Flask) -> None:
        self._server = make_server(HOST, 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.origin = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> str:
        self._thread.start()
        return self.origin

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def shop() -> Iterator[str]:
    """Serve an API that pages of any site may call."""
    app = Flask("shop")
    CORS(app, expose_headers=EXPOSED)
    IntelligentLimiter(app, base_limit=LIMIT, background=False)
    # The browser keeps a preflight's answer for a while, by path: each order has its own.
    app.add_url_rule(
        "/order/<int:number>", "order", lambda number: jsonify(number), methods=["POST"]
    )
    with Served(app) as origin:
        yield origin
    state_of(app).limiter.close()


@pytest.fixture
def page() -> Iterator[str]:
    """Serve a page of another origin."""
    app = Flask("page")
    app.add_url_rule("/", "index", lambda: "<title>a page</title>")
    with Served(app) as origin:
        yield origin


@pytest.fixture
def chromium(tmp_path: Any) -> Iterator[Chrome]:
    """Start a headless Chromium with an empty profile."""
    with chromium_with(tmp_path) as driver:
        yield driver


def test_a_page_of_another_site_reads_the_refusal(chromium: Chrome, page: str, shop: str) -> None:
    chromium.get(page)
    seen = chromium.execute_async_script(POST_UNTIL_REFUSED, shop, LIMIT + 2)
    assert [status for status, _, _ in seen] == [200] * LIMIT + [429] * 2
    assert [remaining for _, _, remaining in seen] == ["3", "2", "1", "0", "0", "0"]
    assert all(int(wait) > 0 for _, wait, _ in seen[LIMIT:])
