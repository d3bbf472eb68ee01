"""Test the warnings of settings that nobody reads."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_limiter import Limiter as FlaskLimiter
from flask_limiter.util import get_remote_address

from flask_irl import IntelligentLimiter

OPTIONS: dict[str, Any] = {"storage_uri": "memory://", "background": False}


@pytest.fixture
def app(caplog: pytest.LogCaptureFixture) -> Iterator[Flask]:
    """Make an app without a limiter, which ends with the test if it gets one."""
    caplog.set_level(logging.WARNING, "flask_irl")
    app = Flask("site")
    app.add_url_rule("/", "index", lambda: "hello")
    yield app
    if "flask_irl" in app.extensions:
        app.extensions["flask_irl"].close()


def test_the_environment_switches_the_limiter_off(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRL_ENABLED", "false")
    IntelligentLimiter(app, base_limit=1, **OPTIONS)
    assert [app.test_client().get("/").status_code for _ in range(3)] == [200] * 3


def test_an_unknown_variable_is_one_warning_at_start(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("IRL_ENABELD", "false")
    IntelligentLimiter(app, **OPTIONS)
    app.test_client().get("/")
    assert caplog.messages == ["variable_unknown variable=IRL_ENABELD nearest=IRL_ENABLED"]


def test_flask_limiters_keys_are_one_warning_at_start_that_names_the_counterparts(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    app.config.update(RATELIMIT_STORAGE_URI="redis://nowhere", RATELIMIT_HEADER_LIMIT="X-Most")
    IntelligentLimiter(app, **OPTIONS)
    assert app.test_client().get("/").headers["X-RateLimit-Limit"] == "100"
    assert caplog.messages == [
        "flask_limiter_config keys="
        '"RATELIMIT_STORAGE_URI (here IRL_STORAGE_URI), RATELIMIT_HEADER_LIMIT (none)"'
    ]


def test_beside_flask_limiter_itself_its_keys_are_none_of_ours(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["RATELIMIT_STORAGE_URI"] = "memory://"
    FlaskLimiter(get_remote_address, app=app)
    IntelligentLimiter(app, **OPTIONS)
    assert caplog.messages == []


def test_keys_set_after_init_app_are_one_warning_at_the_first_request(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    IntelligentLimiter(app, **OPTIONS)
    app.config.update(IRL_BASE_LIMIT=5, IRL_MODE="shadow")
    assert caplog.messages == []
    client = app.test_client()
    assert [client.get("/").headers["X-RateLimit-Limit"] for _ in range(2)] == ["100"] * 2
    [message] = caplog.messages
    assert message.startswith('config_changed_late keys="IRL_BASE_LIMIT, IRL_MODE" mend=')


def test_no_value_of_a_setting_is_logged(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("IRL_ADMIN_TOKEM", "swordfish")
    app.config["RATELIMIT_STORAGE_URI"] = "redis://:swordfish@host"
    IntelligentLimiter(app, **OPTIONS)
    app.config["IRL_ADMIN_TOKEN"] = "swordfish"
    app.test_client().get("/")
    assert len(caplog.messages) == 3
    assert "swordfish" not in caplog.text
