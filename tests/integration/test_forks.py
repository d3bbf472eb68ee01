"""Test that a process forked while locks are held decides, observes, flushes and authenticates."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from tests.forks import held_by_a_thread, run_in_fork

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process")
TOKEN = "made-up-token-of-a-test"


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask("site")
    IntelligentLimiter(
        app, storage_uri="memory://", base_limit=2, background=False, admin_token=TOKEN
    )
    app.add_url_rule("/", "index", lambda: "hello")
    yield app
    state_of(app).limiter.close()


LOCKS: dict[str, Callable[[Any], Any]] = {
    "the store's": lambda app: vars(state_of(app).limiter.store)["_lock"],
    "the flush's": lambda app: state_of(app).limiter.profiler._flushing,
    "the refusals'": lambda app: state_of(app).limiter.refusals._lock,
    "the refusals' log's": lambda app: (
        vars(state_of(app).limiter)["log_refusal"].__self__._sampler._lock
    ),
    "the campaigns'": lambda app: state_of(app).limiter.learning.campaigns._lock,
    "the breaker's": lambda app: state_of(app).limiter.breaker._lock,
    "the failures' log's": lambda app: state_of(app).limiter.failures._log._lock,
    "the authenticator's": lambda app: app.extensions["flask_irl.admin"].authenticator._lock,
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_worker_forked_while_a_lock_is_held_serves_and_learns(app: Flask, name: str) -> None:
    limiter = state_of(app).limiter

    def serve() -> None:
        client = app.test_client()
        assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
        limiter.failures.store_failed(OSError("out"))
        limiter.flush()
        wrong = {"Authorization": "Bearer wrong"}
        assert client.get("/admin/stats", headers=wrong).status_code == 403
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/admin/stats", headers=right).status_code == 200

    with held_by_a_thread(LOCKS[name](app)):
        assert run_in_fork(serve) == "done"
