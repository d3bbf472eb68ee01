"""Switch an app's limiter off and on, have it forget all clients, and end it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_irl import ConfigurationError, IntelligentLimiter, IrlError
from flask_irl.web.state import state_of
from tests.recorder import Recorder

PAUSE = 0.1
PATIENCE = 60.0
"""Seconds after which a thread that ends within one will never end."""


def site(limiter: IntelligentLimiter) -> Flask:
    """Make an app with a limited route and one that calls a limited function."""
    app = Flask("site")

    @limiter.limit("2/hour")
    def work() -> str:
        return "done"

    app.add_url_rule("/", "index", limiter.limit("2/hour")(lambda: "hello"))
    app.add_url_rule("/work", "work", lambda: work())
    limiter.init_app(app)
    return app


@pytest.fixture
def listener() -> Recorder:
    return Recorder()


@pytest.fixture
def limiter(listener: Recorder) -> Iterator[IntelligentLimiter]:
    limiter = IntelligentLimiter(listener=listener, storage_uri="memory://", background=False)
    yield limiter
    limiter.close()


def codes(app: Flask, path: str = "/", count: int = 3) -> list[int]:
    return [app.test_client().get(path).status_code for _ in range(count)]


def test_it_can_be_switched_off_and_on(limiter: IntelligentLimiter) -> None:
    app = site(limiter)
    assert codes(app) == [200, 200, 429]
    limiter.enabled = False
    assert not limiter.enabled
    assert codes(app) == codes(app, "/work") == [200] * 3
    limiter.enabled = True
    assert limiter.enabled
    assert codes(app) == [429] * 3
    assert codes(app, "/work") == [200, 200, 429]


def test_switched_off_it_does_nothing(limiter: IntelligentLimiter, listener: Recorder) -> None:
    app = site(limiter)
    limiter.enabled = False
    limiter.enabled = False
    answer = app.test_client().get("/")
    assert [name for name, _ in answer.headers if "RateLimit" in name] == []
    assert listener.events == []
    with app.app_context():
        assert limiter.flush() == 0
    limiter.enabled = True
    assert app.test_client().get("/").headers["X-RateLimit-Remaining"] == "1"


def test_one_that_is_off_at_start_can_be_switched_on(limiter: IntelligentLimiter) -> None:
    limiter.enabled = False
    app = site(limiter)
    assert not limiter.enabled
    assert codes(app) == [200] * 3
    limiter.enabled = True
    assert codes(app) == [200, 200, 429]


def test_a_context_is_about_its_app_alone(limiter: IntelligentLimiter) -> None:
    first, second = site(limiter), site(limiter)
    with first.app_context():
        limiter.enabled = False
        assert not limiter.enabled
    assert codes(first) == [200] * 3
    assert codes(second) == [200, 200, 429]
    with first.app_context():
        assert not limiter.reset()
    assert codes(second) == [429] * 3
    with second.app_context():
        assert limiter.reset()
        limiter.close()
    limiter.enabled = True
    assert codes(first) == [200, 200, 429]
    assert codes(second) == [200] * 3


@pytest.mark.parametrize("value", [None, 2, "perhaps"])
def test_it_is_on_or_off(limiter: IntelligentLimiter, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="enabled is"):
        limiter.enabled = value


def test_an_app_without_it_has_nothing_to_switch(limiter: IntelligentLimiter) -> None:
    with Flask("other").app_context(), pytest.raises(IrlError, match="init_app"):
        limiter.enabled = False


def test_all_clients_can_be_forgotten(limiter: IntelligentLimiter) -> None:
    app = site(limiter)
    assert codes(app) == [200, 200, 429]
    assert limiter.reset()
    assert codes(app) == [200, 200, 429]
    assert limiter.reset("127.0.0.1")
    assert codes(app) == [200, 200, 429]


def test_what_waits_to_be_learned_is_forgotten_too(limiter: IntelligentLimiter) -> None:
    app = site(limiter)
    codes(app)
    limiter.reset()
    with app.app_context():
        assert limiter.flush() == 0


def test_a_closed_one_lets_requests_pass(limiter: IntelligentLimiter) -> None:
    app = site(limiter)
    assert codes(app) == [200, 200, 429]
    state = state_of(app)
    limiter.close()
    assert state.limiter.store.counts()["requests"] == 3
    limiter.close()
    limiter.enabled = True
    assert codes(app) == [200] * 3
    assert state.limiter.flush() == 0


def serve(apps: int, close: bool) -> set[threading.Thread]:
    """Serve a request of each of many apps; returns the threads that came of it."""
    before = set(threading.enumerate())
    found: set[threading.Thread] = set()
    for _ in range(apps):
        app = Flask("site")
        limiter = IntelligentLimiter(app, storage_uri="memory://")
        app.add_url_rule("/", "index", lambda: "hello")
        assert app.test_client().get("/").status_code == 200
        found.update(set(threading.enumerate()) - before)
        if close:
            limiter.close()
    return found


@pytest.mark.parametrize("close", [True, False])
def test_a_hundred_apps_leave_no_thread(close: bool) -> None:
    threads = serve(100, close)
    assert threads
    deadline = time.monotonic() + PATIENCE
    while (alive := [thread for thread in threads if thread.is_alive()]) and (
        time.monotonic() < deadline
    ):
        # An app whose background work runs at this moment is no garbage yet.
        gc.collect()
        alive[0].join(PAUSE)
    assert alive == []
