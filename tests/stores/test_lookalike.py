"""Meet a server that speaks like Redis and whose Lua isn't: fakeredis."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from fakeredis import TcpFakeServer
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.stores.breaker import FAILURES


@pytest.fixture
def lookalike() -> Iterator[str]:
    """Run fakeredis as a server; gives its URI."""
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_is_told_plainly_what_it_lacks(lookalike: str, caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("site")
    limiter = IntelligentLimiter(
        app, storage_uri=lookalike, base_limit=2, background=False, store_timeout=5.0
    )
    app.add_url_rule("/", "index", lambda: "hello")
    with caplog.at_level(logging.INFO, "flask_irl"):
        codes = [app.test_client().get("/").status_code for _ in range(FAILURES + 3)]
    limiter.close()
    assert codes[:2] == [200, 200]
    assert codes[-1] == 429
    told = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.__dict__["irl_event"] for r in told] == ["store_error", "store_lost"]
    assert all("Lua has no struct, which the scripts need" in r.getMessage() for r in told)
    assert [r.exc_info for r in told] == [None, None]
