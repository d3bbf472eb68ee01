"""Test a limiter that only reports, beside a stock Flask-Limiter in one app."""

from __future__ import annotations

import itertools
import json

import pytest
from flask import Flask, request
from flask_limiter import Limiter as FlaskLimiter
from flask_limiter.util import get_remote_address as stock_address

from flask_irl import IntelligentLimiter
from flask_irl.compat import Limiter
from flask_irl.compat.util import get_remote_address
from flask_irl.web.state import state_of


def stock(app: Flask) -> None:
    FlaskLimiter(
        stock_address,
        app=app,
        storage_uri="memory://",
        default_limits=["2/hour"],
        headers_enabled=True,
    )
    app.add_url_rule("/a", "a", lambda: "answer")


def test_a_limiter_in_shadow_changes_no_answer_and_sees_all_requests() -> None:
    plain, beside = Flask("site"), Flask("site")
    stock(plain)
    stock(beside)
    IntelligentLimiter(
        beside, mode="shadow", base_limit=None, headers_enabled=False, background=False
    )
    seen = []
    for app in (plain, beside):
        answers = [app.test_client().get("/a") for _ in range(4)]
        seen.append([(x.status_code, x.text, x.headers["X-RateLimit-Limit"]) for x in answers])
    assert seen[0] == seen[1]
    assert [status for status, _, _ in seen[1]] == [200, 200, 429, 429]
    state = state_of(beside)
    assert state.limiter.flush() == 4
    state.close()


def test_flask_limiter_and_its_stand_in_can_share_an_app() -> None:
    app = Flask("site")
    app.config["IRL_BACKGROUND"] = False
    stock(app)
    limiter = Limiter(
        get_remote_address, app=app, storage_uri="memory://", default_limits=["1/hour"]
    )
    assert [app.test_client().get("/a").status_code for _ in range(2)] == [200, 429]
    limiter.close()


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    """Give the storage URI that both limiters have."""
    return "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")


def both(url: str) -> Flask:
    """Make a worker of a site with both."""

    def client() -> str:
        return request.headers["X-Client"]

    app = Flask("site")
    FlaskLimiter(client, app=app, storage_uri=url, default_limits=["4/hour"])
    IntelligentLimiter(
        app,
        mode="shadow",
        storage_uri=url,
        base_limit=6,
        window_seconds=3600,
        store_timeout=10.0,
        background=False,
        key_func=client,
    )
    app.add_url_rule("/a", "a", lambda: "answer")
    return app


def test_a_report_says_whom_each_of_both_would_refuse(url: str) -> None:
    workers = [both(url) for _ in range(1 if url == "memory://" else 2)]
    asked = itertools.cycle(workers)

    def ask(name: str, times: int) -> list[int]:
        headers = {"X-Client": name}
        clients = (next(asked).test_client() for _ in range(times))
        return [client.get("/a", headers=headers).status_code for client in clients]

    assert ask("ann", 3) == [200, 200, 200]
    assert ask("bob", 5) == [200, 200, 200, 200, 429]
    assert ask("mallory", 8) == [200] * 4 + [429] * 4
    for app in workers:
        state_of(app).limiter.flush()
    found = json.loads(workers[0].test_cli_runner().invoke(args=["irl", "report", "--json"]).stdout)
    names = ("group", "requests", "refused_by_app", "refused_by_limits", "refused_by_both")
    assert {client["client"]: [client[name] for name in names] for client in found["clients"]} == {
        "bob": ["app_only", 5, 1, 0, 0],
        "mallory": ["both", 8, 4, 2, 2],
    }
    assert (found["requests"], found["refused_by_app"]) == (16, 5)
    for app in workers:
        state_of(app).close()
