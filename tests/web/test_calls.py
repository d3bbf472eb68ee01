"""A limited function that is called outside of any request says so, and what to do."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, copy_current_request_context

from flask_irl import IntelligentLimiter


def site(**options: Any) -> tuple[Flask, IntelligentLimiter]:
    app = Flask("site")
    return app, IntelligentLimiter(app, background=False, **options)


def helper() -> str:
    return "helped"


@pytest.mark.parametrize("registered", [True, False], ids=["with an app", "without"])
def test_without_a_request_it_raises_and_names_the_function(registered: bool) -> None:
    limiter = site()[1] if registered else IntelligentLimiter()
    limited = limiter.limit("2/minute")(helper)
    with pytest.raises(RuntimeError, match=rf"{__name__}\.helper .*test_request_context"):
        limited()


def test_in_a_command_of_the_app_it_raises_too() -> None:
    app, limiter = site()
    with app.app_context(), pytest.raises(RuntimeError, match="no request"):
        limiter.limit("2/minute")(helper)()


def test_a_block_raises_and_names_its_place() -> None:
    _, limiter = site()
    with pytest.raises(RuntimeError, match=rf"{__name__}\.test_a_block"), limiter.limit("2/minute"):
        pass


def test_in_a_thread_with_a_copy_of_the_requests_context_it_counts() -> None:
    app, limiter = site()
    limited = limiter.limit("2/minute")(helper)

    @app.get("/x")
    def view() -> str:
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(copy_current_request_context(limited)).result()

    assert [app.test_client().get("/x").status_code for _ in range(3)] == [200, 200, 429]


def test_switched_off_it_does_nothing() -> None:
    app, limiter = site(enabled=False)
    limited = limiter.limit("1/minute")(helper)
    assert [limited() for _ in range(3)] == ["helped"] * 3
    with app.app_context():
        assert limited() == "helped"
    with app.test_request_context("/"):
        assert [limited() for _ in range(3)] == ["helped"] * 3


def test_in_another_app_it_does_not_hold_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limited = site()[1].limit("1/minute")(helper)
    with caplog.at_level(logging.WARNING, logger="flask_irl"):
        for _ in range(3):
            with Flask("other").test_request_context("/"):
                assert limited() == "helped"
    (record,) = caplog.records
    assert record.getMessage().startswith("limit_without_limiter")
    assert f"{__name__}.helper" in record.getMessage()
