"""Plans that an operator changes or assigns through one gunicorn worker hold in the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_irl.limiter.schedule import POLL_SECONDS
from tests.integration.workers import PATIENCE, Line, Workers, lines_to_both
from tests.servers import RedisServer, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TOKEN = "token-of-the-operator"
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
    train=False,
    key_func=lambda: request.headers["X-Client"],
    plans={"free": "3/hour", "pro": "6/hour"},
    plan_of=lambda: request.args.get("plan"),
    default_plan="free",
)

@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response

@app.get("/")
def index():
    return jsonify(limit=limiter.current_decision.limit)

@app.get("/model")
@limiter.exempt
def model():
    return jsonify({})
"""
Lines = tuple[Line, Line]


@pytest.fixture(scope="module")
def lines(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lines]:
    with redis_server.client() as client:
        client.flushall()
    folder = tmp_path_factory.mktemp("plans")
    with Workers(folder, redis_server.url, APP, IRL_ADMIN_TOKEN=TOKEN) as workers:
        found = lines_to_both(workers.port)
        for line in found:
            # A worker begins to ask for news when it first decides on a request.
            line.ask("GET", "/", client="first")
        yield found
        for line in found:
            line.close()


def change(line: Line, method: str, path: str, body: object = None) -> Any:
    answer = line.ask(method, f"/admin{path}", body, token=TOKEN)
    assert answer.status == 200, answer
    return answer.json


def test_an_assigned_plan_holds_in_the_other_worker(lines: Lines) -> None:
    one, other = lines
    # A worker that is refusing the client takes it up, too.
    assert [other.ask("GET", "/", client="a").status for _ in range(4)] == [200, 200, 200, 429]
    change(one, "PUT", "/client/a/plan", {"plan": "pro", "seconds": 600})
    wait_until(lambda: other.ask("GET", "/", client="a").status == 200, "the plan", PATIENCE)
    assert other.ask("GET", "/", client="a").json == {"limit": 6}
    change(one, "DELETE", "/client/a/plan")
    # Back on the other plan, it has no more than was left of that.
    wait_until(lambda: other.ask("GET", "/", client="a").status == 429, "free", PATIENCE)


def test_a_changed_plan_holds_in_the_other_worker(lines: Lines) -> None:
    one, other = lines

    def limit() -> Any:
        answer = other.ask("GET", "/?plan=pro", client="b")
        return answer.json["limit"] if answer.status == 200 else None

    assert limit() == 6
    change(one, "PUT", "/plans", {"plans": {"pro": "500/hour"}})
    wait_until(lambda: limit() == 500, "the changed plan", PATIENCE)
    # What was counted under the plan before is still counted.
    left = int(other.ask("GET", "/?plan=pro", client="b").headers["X-RateLimit-Remaining"])
    assert left < 498


def test_workers_look_for_changes_as_often_as_is_stated() -> None:
    assert POLL_SECONDS <= 2.0
