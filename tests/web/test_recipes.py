"""The recipes of docs/limits.md run as they stand, with the real libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token

from flask_irl.web.state import state_of

PAGE: Final = Path(__file__).parents[2] / "docs" / "limits.md"


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The app of the recipe under a heading."""
    section = PAGE.read_text().partition(f"\n## {request.param}\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
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
