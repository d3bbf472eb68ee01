"""Test what an app's first requests tell of proxies and other processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_irl import IntelligentLimiter, api_key, logged_in_user
from flask_irl.web.first_requests import FirstRequests

PROXIED = {"X-Forwarded-For": "198.51.100.7"}
SERVER = {"SERVER_SOFTWARE": "gunicorn/27", "wsgi.multiprocess": True}
Make = Callable[..., Flask]


@pytest.fixture
def make(caplog: pytest.LogCaptureFixture) -> Iterator[Make]:
    """Make apps with a limiter, which end with the test."""
    caplog.set_level(logging.WARNING, "flask_irl")
    limiters: list[IntelligentLimiter] = []

    def made(**options: Any) -> Flask:
        app = Flask("site")
        app.add_url_rule("/", "index", lambda: "hello")
        given = {"storage_uri": "memory://", "background": False, **options}
        limiters.append(IntelligentLimiter(app, **given))
        return app

    yield made
    for limiter in limiters:
        limiter.close()


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Name the events that were logged."""
    return [message.partition(" ")[0] for message in caplog.messages]


def get(app: Flask, address: str = "10.0.0.2", **more: Any) -> None:
    """Send a request from an address."""
    environ = {"REMOTE_ADDR": address, **more.pop("environ", {})}
    assert app.test_client().get("/", environ_overrides=environ, **more).status_code == 200


@pytest.mark.parametrize(
    ("header", "value"),
    [("X-Forwarded-For", "198.51.100.7"), ("Forwarded", 'for="198.51.100.7:80";proto=https')],
)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.2", "172.17.0.1", "::1", "fd00::2"])
def test_a_proxy_that_nobody_has_configured_is_told_once(
    make: Make, caplog: pytest.LogCaptureFixture, header: str, value: str, address: str
) -> None:
    app = make()
    get(app, address)
    assert caplog.messages == []
    for _ in range(3):
        get(app, address, headers={header: value})
    [message] = caplog.messages
    assert message.startswith(f"proxy_not_configured header={header} remote_addr={address} mend=")
    assert "ProxyFix" in message


@pytest.mark.parametrize("before", [True, False])
def test_with_proxy_fix_before_or_after_the_limiter_there_is_no_warning(
    make: Make, caplog: pytest.LogCaptureFixture, before: bool
) -> None:
    app = Flask("site")
    app.add_url_rule("/", "index", lambda: "hello")
    if before:
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    limiter = IntelligentLimiter(app, storage_uri="memory://", background=False)
    if not before:
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    get(app, headers=PROXIED)
    # As more hops than there are would, which is for ProxyFix alone to say.
    get(app)
    limiter.close()
    assert caplog.messages == []


@pytest.mark.parametrize("header", ["198.51.100.7", "192.0.2.1, 198.51.100.7:4711"])
def test_a_server_that_has_dealt_with_the_proxy_is_believed(
    make: Make, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    app = make()
    get(app, "198.51.100.7", headers={"X-Forwarded-For": header})
    assert caplog.messages == []


def test_a_stranger_who_makes_the_header_up_causes_no_warning_and_hides_none(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app = make()
    get(app, "8.8.8.8", headers=PROXIED)
    assert caplog.messages == []
    get(app, headers=PROXIED)
    assert events(caplog) == ["proxy_not_configured"]


def test_where_there_is_no_address_at_all_one_warning_says_so(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app = make()
    get(app, "", headers=PROXIED)
    assert events(caplog) == ["address_unknown"]


@pytest.mark.parametrize(
    ("key_func", "told"),
    [
        (logged_in_user, True),
        (api_key(verify=lambda key: True), True),
        (lambda: "somebody", False),
    ],
)
def test_a_key_function_of_the_apps_own_may_know_proxies(
    make: Make, caplog: pytest.LogCaptureFixture, key_func: Callable[[], str], told: bool
) -> None:
    get(make(key_func=key_func), headers=PROXIED)
    assert events(caplog) == ["proxy_not_configured"] * told


def test_processes_that_each_count_for_themselves_are_told_once(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app = make()
    for _ in range(2):
        get(app, environ=SERVER)
    [message] = caplog.messages
    assert message.startswith("memory_store_not_shared server=gunicorn/27 mend=")
    assert "REDIS_URL" in message


@pytest.mark.parametrize(
    "environ",
    [
        {**SERVER, "wsgi.multiprocess": False},
        # a2wsgi and hypercorn, which don't know.
        {"wsgi.multiprocess": True},
    ],
)
def test_one_process_or_a_server_that_does_not_know_is_no_reason(
    make: Make, caplog: pytest.LogCaptureFixture, environ: dict[str, Any]
) -> None:
    get(make(), environ=environ)
    assert caplog.messages == []


def test_processes_that_share_redis_are_no_reason(
    make: Make, caplog: pytest.LogCaptureFixture, redis_url: str
) -> None:
    get(make(storage_uri=redis_url, store_timeout=10.0), environ=SERVER)
    assert caplog.messages == []


def test_requests_past_the_middleware_are_looked_at_too(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("site")
    app.add_url_rule("/", "index", lambda: "hello")
    taken = app.wsgi_app
    limiter = IntelligentLimiter(app, storage_uri="memory://", background=False)
    app.wsgi_app = taken  # type: ignore[method-assign]
    get(app, headers=PROXIED, environ=SERVER)
    limiter.close()
    assert events(caplog) == [
        *("memory_store_not_shared", "proxy_not_configured", "middleware_bypassed")
    ]


class Wrapper:
    """Call an app, as a middleware does."""

    def __init__(self) -> None:
        self.app: Any = self.plain

    @staticmethod
    def plain(environ: Any, start_response: Any) -> list[bytes]:
        return [b"hello"]


def run(where: str, work: Callable[[], object]) -> None:
    work()


@pytest.mark.parametrize(
    ("environ", "requests"),
    [
        # A request of a proxy, and one that ProxyFix has seen, tell all there is to know.
        ({"HTTP_X_FORWARDED_FOR": "198.51.100.7", "REMOTE_ADDR": "10.0.0.2"}, 1),
        ({"werkzeug.proxy_fix.orig": {}}, 1),
        ({"REMOTE_ADDR": "198.51.100.7"}, 5),
    ],
)
def test_the_look_is_gone_once_all_is_known_or_after_so_many_requests(
    environ: dict[str, Any], requests: int
) -> None:
    wrapper = Wrapper()
    FirstRequests(by_address=True, local=True, guard=run, most=5).watch(wrapper)
    for _ in range(requests):
        assert wrapper.app is not Wrapper.plain
        assert wrapper.app(environ, None) == [b"hello"]
    assert wrapper.app is Wrapper.plain


def test_with_nothing_to_look_for_there_is_no_look() -> None:
    wrapper = Wrapper()
    FirstRequests(by_address=False, local=False, guard=run).watch(wrapper)
    assert wrapper.app is Wrapper.plain


def test_an_environment_of_nonsense_keeps_no_request_from_the_app(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app = make(key_func=logged_in_user)
    get(app, environ={"HTTP_X_FORWARDED_FOR": 5, "wsgi.multiprocess": []})
    assert events(caplog) == ["limiter_error"]
