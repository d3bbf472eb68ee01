"""A function's limit counts wherever there is a request, before the request is decided on too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import flask_login
import pytest
from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from flask_socketio import SocketIO
from werkzeug.test import Client

from flask_irl import RateLimitExceeded
from flask_irl.web.state import state_of
from tests.web.limited_site import Site


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    state_of(site.app).limiter.close()


def test_in_a_hook_before_the_limiters(site: Site) -> None:
    site.app.before_request(lambda: site.costly())
    site.start()
    assert site.asks(4) == [200, 200, 429, 429]
    assert site.ran == 2


def test_in_a_login_hook_that_answers_by_itself(site: Site) -> None:
    @site.app.before_request
    def login() -> tuple[str, int]:
        site.costly()
        return "who are you?", 401

    site.start()
    assert site.asks(4) == [401, 401, 429, 429]


def test_in_flask_logins_loader(site: Site) -> None:
    manager: Any = flask_login.LoginManager
    manager(site.app).request_loader(lambda request: site.costly())

    @site.app.before_request
    def login() -> tuple[str, int] | None:
        known: bool = flask_login.current_user.is_authenticated
        return None if known else ("who are you?", 401)

    site.start()
    assert site.asks(4) == [401, 401, 429, 429]


def test_in_a_session_that_is_opened(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    class Costly(SecureCookieSessionInterface):
        def open_session(self, app: Flask, request: Any) -> Any:
            site.costly()
            return super().open_session(app, request)

    site.app.session_interface = Costly()
    site.start()
    assert site.asks(4) == [200, 200, 429, 429]
    assert "Error" not in caplog.text


def test_in_a_preprocessor_of_url_values(site: Site) -> None:
    site.start()
    site.app.url_value_preprocessor(lambda endpoint, values: site.costly())
    assert site.asks(4) == [200, 200, 429, 429]


def test_in_a_context_made_by_hand(site: Site) -> None:
    site.start()

    def once() -> bool:
        with site.app.test_request_context("/x"):
            site.costly()
        return True

    assert once()
    assert once()
    with pytest.raises(RateLimitExceeded):
        once()


def test_a_view_called_in_a_context_made_by_hand(site: Site) -> None:
    site.start()
    view: Callable[[], str] = site.limiter.limit("1/hour")(lambda: "y")
    site.app.add_url_rule("/y", "y", view)
    with site.app.test_request_context("/y"):
        assert view() == "y"
        with pytest.raises(RateLimitExceeded):
            view()


def test_what_it_counts_first_is_no_request_of_its_own(site: Site) -> None:
    site.app.before_request(lambda: site.costly())
    site.start()
    response = site.app.test_client().get("/x")
    assert (response.headers["X-RateLimit-Limit"], response.headers["X-RateLimit-Remaining"]) == (
        "2",
        "1",
    )
    assert site.listener.outcomes == ["allowed"]
    assert site.app.test_client().get("/nothing").headers["X-RateLimit-Limit"] == "2"
    # The limit on everything has counted the two requests, and none of the functions' calls.
    site.app.before_request_funcs[None].pop(0)
    assert site.app.test_client().get("/x").headers["X-RateLimit-Remaining"] == "97"


def test_a_request_that_it_refuses_burns_no_other_limit(site: Site) -> None:
    site.app.before_request(lambda: site.costly())
    site.start()
    assert site.asks(5) == [200, 200, 429, 429, 429]
    assert site.listener.outcomes == ["allowed"] * 2 + ["limited"] * 3
    site.app.before_request_funcs[None].pop(0)
    assert site.app.test_client().get("/x").headers["X-RateLimit-Remaining"] == "97"


def test_exempt_requests_are_not_counted(site: Site) -> None:
    site.app.before_request(lambda: site.costly())
    site.limiter.request_filter(lambda: "probe" in request.args)
    site.start()
    site.app.add_url_rule("/free", "free", site.limiter.exempt(lambda: "free"))
    assert site.asks(4, "/free") == [200] * 4
    assert site.asks(4, "/x?probe") == [200] * 4
    assert site.asks(3) == [200, 200, 429]


def test_with_a_key_that_hooks_tell_the_request_is_still_decided_on() -> None:
    site = Site(base_limit=3, key_func=lambda: request.args["user"])
    site.app.before_request(lambda: site.costly() if "costly" in request.args else None)
    site.start()
    assert site.asks(3, "/x?user=a&costly") == [200, 200, 429]
    assert site.asks(2, "/x?user=a") == [200, 429]
    assert site.asks(1, "/x?user=b&costly") == [200]
    state_of(site.app).limiter.close()


@pytest.mark.parametrize("limiter_first", [True, False], ids=["limiter first", "SocketIO first"])
@pytest.mark.parametrize("block", [True, False], ids=["with limit(...)", "function"])
def test_in_an_event_of_socketio(site: Site, limiter_first: bool, block: bool) -> None:
    if limiter_first:
        site.start()
    sockets = SocketIO(site.app, async_mode="threading", async_handlers=False)
    if not limiter_first:
        site.start()
    slowed: list[RateLimitExceeded] = []

    def limited() -> None:
        with site.limiter.limit("2/hour"):
            site.work()

    def work(data: object) -> None:
        try:
            (limited if block else site.costly)()
        except RateLimitExceeded as error:
            slowed.append(error)

    sockets.on_event("work", work)

    # By long polling, through the app's own WSGI stack: the handshake goes as it does in service.
    client: Client = site.app.test_client()
    url = "/socket.io/?EIO=4&transport=polling"
    url += "&sid=" + json.loads(client.get(url).text[1:])["sid"]
    client.post(url, data="40")
    client.get(url)
    for _ in range(5):
        assert client.post(url, data='42["work",{}]').status_code == 200
    assert site.ran == 2
    assert [error.decision.limit for error in slowed] == [2, 2, 2]
