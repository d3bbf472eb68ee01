"""A limit that is used up answers 429, also where Flask makes a 500 of what is raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Response, render_template_string
from werkzeug.test import create_environ

from flask_irl.web.state import state_of
from tests.web.limited_site import Site


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    state_of(site.app).limiter.close()


Register = Callable[[Site], object]


def limited_answer(site: Site, status: int) -> Callable[..., tuple[str, int]]:
    """A limited error handler."""

    @site.limiter.limit("2/hour")
    def handler(error: Exception) -> tuple[str, int]:
        return "sorry", status

    return handler


def limited_hook(site: Site) -> Callable[..., Any]:
    """A limited hook that hands on what it is given."""

    @site.limiter.limit("2/hour")
    def hook(response: Response | None = None) -> Response | None:
        return response

    return hook


def block_in_handler(site: Site) -> Callable[[Exception], tuple[str, int]]:
    """An error handler with a limited block."""

    def handler(error: Exception) -> tuple[str, int]:
        with site.limiter.limit("2/hour"):
            return "sorry", 400

    return handler


def fail() -> str:
    raise ValueError("the view's own fault")


WHERE: dict[str, tuple[str, Register, int]] = {
    "errorhandler(404)": (
        "/nothing",
        lambda s: s.app.register_error_handler(404, limited_answer(s, 404)),
        404,
    ),
    "errorhandler(500)": (
        "/fail",
        lambda s: s.app.register_error_handler(500, limited_answer(s, 500)),
        500,
    ),
    "errorhandler(Exception)": (
        "/fail",
        lambda s: s.app.register_error_handler(Exception, limited_answer(s, 500)),
        500,
    ),
    "a block in errorhandler(ValueError)": (
        "/fail",
        lambda s: s.app.register_error_handler(ValueError, block_in_handler(s)),
        400,
    ),
    "after_request": ("/x", lambda s: s.app.after_request(limited_hook(s)), 200),
    "context_processor": (
        "/template",
        lambda s: s.app.context_processor(lambda: limited_hook(s)() or {}),
        200,
    ),
}


@pytest.mark.parametrize("own", [True, False], ids=["own handler of 429", "none"])
@pytest.mark.parametrize("where", WHERE)
def test_a_limit_that_is_used_up_answers_429_wherever_it_is(
    site: Site, where: str, own: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path, register, status = WHERE[where]
    site.start()
    site.app.add_url_rule("/fail", "fail", fail)
    site.app.add_url_rule("/template", "template", lambda: render_template_string("hello"))
    register(site)
    if own:
        site.app.register_error_handler(429, lambda error: ("slow down", 429))
    responses = [site.app.test_client().get(path) for _ in range(4)]
    assert [r.status_code for r in responses] == [status, status, 429, 429]
    refusal = responses[2]
    assert int(refusal.headers["Retry-After"]) >= 1
    assert refusal.headers["X-RateLimit-Limit"] == "2"
    assert (refusal.text == "slow down") == own
    assert "RateLimitExceeded" not in caplog.text


def test_under_test_too_it_answers_429(site: Site) -> None:
    site.start()
    site.app.testing = True
    site.app.register_error_handler(404, limited_answer(site, 404))
    assert site.asks(3, "/nothing") == [404, 404, 429]


def test_a_limit_on_what_ends_a_request_answers_429_if_nothing_was_sent(site: Site) -> None:
    site.start()
    site.app.teardown_request(lambda error: limited_hook(site)() and None)
    started: list[tuple[str, bool]] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        started.append((status[:3], exc_info is not None))
        return lambda data: None

    for _ in range(3):
        body = site.app.wsgi_app(create_environ("/x"), start_response)
    assert started == [("200", False)] * 3 + [("429", True)]
    assert b"Rate limit exceeded" in b"".join(body)


def test_a_handler_of_429_that_is_limited_itself_still_answers(site: Site) -> None:
    site.start()
    site.app.register_error_handler(429, limited_answer(site, 429))
    site.app.add_url_rule("/y", "y", site.limiter.limit("1/hour")(lambda: "y"))
    responses = [site.app.test_client().get("/y") for _ in range(5)]
    assert [r.status_code for r in responses] == [200, *[429] * 4]
    assert {r.text for r in responses[1:]} == {"sorry"}


def test_a_handler_of_429_that_fails_is_the_apps_own_fault(site: Site) -> None:
    site.start()

    def broken(error: Exception) -> str:
        raise LookupError("the handler's own fault")

    site.app.register_error_handler(429, broken)
    site.app.register_error_handler(404, limited_answer(site, 404))
    assert site.asks(3, "/nothing") == [404, 404, 500]
