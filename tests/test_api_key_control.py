"""Test the calls on API keys from an app's own code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from flask_irl import ConfigurationError, IntelligentLimiter
from flask_irl.operations import Operations
from flask_irl.web.state import state_of


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask("site")
    app.config.update(IRL_API_KEYS=True, IRL_API_KEY_SECRET="a secret of the tests")
    limiter = IntelligentLimiter(app, storage_uri="memory://", background=False)
    app.extensions["limiter"] = limiter
    yield app
    state_of(app).limiter.close()


def test_a_key_lives_in_the_apps_hands(app: Flask) -> None:
    keys = app.extensions["limiter"].api_keys
    with app.app_context():
        issued = keys.issue(name="n", owner="o", scopes=["a"])
        assert [key["id"] for key in keys.list(owner="o")] == [issued["id"]]
        assert keys.change(issued["id"], scopes=["b"])["scopes"] == ["b"]
        assert keys.change(issued["id"], name="m")["scopes"] == ["b"]
        assert keys.rotate(issued["id"])["key"] != issued["key"]
        assert keys.revoke(issued["id"], reason="published")["state"] == "revoked"
        assert keys.show(issued["id"])["name"] == "m"
        assert keys.show("0000000000") is None
    entries = Operations(state_of(app).limiter).audit.entries()[0]
    assert {entry["who"] for entry in entries} == {
        f"app:{__name__}.test_a_key_lives_in_the_apps_hands"
    }


@pytest.mark.parametrize("page", [{"limit": 0}, {"limit": 1001}, {"offset": -1}, {"limit": "5"}])
def test_a_list_is_bounded(app: Flask, page: dict[str, Any]) -> None:
    with app.app_context(), pytest.raises(ConfigurationError, match="whole number"):
        app.extensions["limiter"].api_keys.list(**page)


def test_outside_of_an_app_the_call_says_what_to_do(app: Flask) -> None:
    with pytest.raises(RuntimeError, match=r"limiter\.api_keys\.issue\(\)"):
        app.extensions["limiter"].api_keys.issue(name="n", owner="o")
