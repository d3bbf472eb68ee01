"""The recipes of docs/limits.md run as they stand, with the real libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token

from flask_irl.web.state import state_of
from tests.docs.blocks import section


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The app of the recipe under a heading."""
    text = section("limits.md", request.param)
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "yourapp"}
    exec(block, names)  # noqa: S102 - our own page
    yield names["app"]
    state_of(names["app"]).limiter.close()


def asks(app: Flask, count: int, path: str, **headers: str) -> list[int]:
    return [app.test_client().get(path, headers=headers).status_code for _ in range(count)]


def bearer(app: Flask, user: str) -> dict[str, str]:
    with app.app_context():
        return {"Authorization": f"Bearer {create_access_token(user)}"}


def recipe(heading: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("app", [heading], indirect=True)


@recipe("Limits on routes")
def test_limits_of_all_kinds_on_one_app(app: Flask) -> None:
    paths = ("/export", "/search", "/ping")
    assert [app.test_client().get(path).status_code for path in paths] == [200, 200, 200]
    headers = app.test_client().get("/search").headers
    # Nearer to its end than the blueprint's limits, which it replaces.
    assert headers["X-RateLimit-Limit"] == "30"
    assert "X-RateLimit-Limit" not in app.test_client().get("/ping").headers
    order = {"items": ["a", "b", "c"]}
    assert app.test_client().post("/orders", json=order).status_code == 200
    headers = app.test_client().get("/", headers={"X-Probe": "a long secret"}).headers
    assert "X-RateLimit-Limit" not in headers


@recipe("Keys: who a client is")
def test_only_a_key_that_exists_names_a_client(app: Flask) -> None:
    def left(key: str) -> str:
        answer = app.test_client().get("/", headers={"X-API-Key": key})
        return answer.headers["X-RateLimit-Remaining"]

    assert [left("k-4f1d"), left("k-9b22"), left("k-4f1d")] == ["99", "99", "98"]
    assert [left("invented"), left("another")] == ["99", "98"]


@recipe("Logins")
def test_a_login_tells_of_its_failures(app: Flask) -> None:
    client = app.test_client()
    codes = [client.post("/enter", data={"password": "a"}).status_code for _ in range(20)]
    assert set(codes) == {200}
    state_of(app).limiter.flush()
    assert client.post("/enter", data={"password": "a"}).headers["X-RateLimit-Limit"] == "30"


@recipe("When a function fails")
def test_a_plan_that_a_hook_finds(app: Flask) -> None:
    assert asks(app, 3, "/search") == [200, 200, 429]


@recipe("Flask-Login")
def test_each_user_of_flask_login_has_the_limit_of_their_plan(app: Flask) -> None:
    assert asks(app, 3, "/report", User="ann") == [200, 200, 429]
    assert asks(app, 2, "/report", User="bob") == [200, 429]
    assert asks(app, 1, "/report") == [401]


@recipe("Flask-JWT-Extended")
def test_each_token_of_flask_jwt_extended_counts_by_itself(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob, cid = (bearer(app, user) for user in ("ann", "bob", "cid"))
    assert asks(app, 4, "/orders", **ann) == [200, 200, 200, 429]
    assert asks(app, 2, "/export", **bob) == [200, 429]
    assert asks(app, 2, "/export", **cid) == [200, 429]
    assert asks(app, 1, "/orders", **bob) == [200]
    # Rubbish counts by address, refused in the end, and is nobody's error.
    assert asks(app, 4, "/orders", Authorization="Bearer rubbish") == [422, 422, 422, 429]
    assert asks(app, 1, "/orders") == [429]
    assert "limiter_error" not in caplog.text
