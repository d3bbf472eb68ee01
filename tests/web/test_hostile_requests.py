"""Send requests that no browser sends: the app answers as it would without the limiter, or 429."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from flask import Flask, jsonify, request
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import create_environ, run_wsgi_app

from flask_irl import IntelligentLimiter, api_key
from flask_irl.telemetry.events import ErrorSwallowed, Event, StoreFailed
from flask_irl.web.state import state_of

FIXED = create_environ("/")
LATIN = st.text(st.characters(max_codepoint=255), max_size=30)
"""What a WSGI server may put into an environ."""
LONG = st.sampled_from(["a" * 70_000, "/" * 5000, "%" * 5000, "," * 70_000, ";q=" * 5000])
ANY = LATIN | LONG | st.just("")
ADDRESSES = st.one_of(
    st.sampled_from(
        [
            "",
            "unix:",
            "::1%eth0",
            "[::1]:80",
            "1.2.3.4:99999",
            "::ffff:1.2.3.4",
            "\x00",
            "1.2.3.4/8",
        ]
    ),
    st.ip_addresses().map(str),
    ANY,
)
ENVIRONS = st.fixed_dictionaries(
    {},
    optional={
        "REQUEST_METHOD": st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "get", "", "TRACE"])
        | LATIN,
        "PATH_INFO": st.sampled_from(
            ["/", "/limited", "/item/1", "/static/x", "/%00", "//", "", "/.env", "/login", "x"]
        )
        | ANY.map(lambda text: "/" + text),
        "SCRIPT_NAME": LATIN,
        "QUERY_STRING": ANY,
        "REMOTE_ADDR": ADDRESSES,
        "HTTP_X_FORWARDED_FOR": ADDRESSES | st.lists(ADDRESSES, max_size=4).map(", ".join),
        "HTTP_X_FORWARDED_HOST": ANY,
        "HTTP_X_FORWARDED_PROTO": ANY,
        "HTTP_FORWARDED": ANY,
        "HTTP_X_API_KEY": ANY,
        "HTTP_AUTHORIZATION": st.sampled_from(["Bearer", "Bearer ", "Basic =", "Bearer \xff"])
        | ANY,
        "HTTP_USER_AGENT": ANY,
        "HTTP_ACCEPT": st.sampled_from(["*/*;q=nan", "text/html;q=1e999", "a/b;q=-1,c"]) | ANY,
        "HTTP_ACCEPT_LANGUAGE": ANY,
        "HTTP_ORIGIN": ANY,
        "HTTP_ACCESS_CONTROL_REQUEST_METHOD": ANY,
        "HTTP_COOKIE": ANY,
        "HTTP_TRACEPARENT": ANY,
        "HTTP_RANGE": ANY,
        "HTTP_EXPECT": ANY,
        "HTTP_TRANSFER_ENCODING": st.sampled_from(["chunked", "gzip", "x"]) | LATIN,
        "CONTENT_LENGTH": st.sampled_from(
            ["0", "5", "-1", "+5", "5.0", "1e3", "9" * 30, "0x5", " 5", "5,5", "\u00b2", ""]
        ),
        "CONTENT_TYPE": ANY,
    },
)


class Watch:
    """Hold the errors that the limiter kept from the app."""

    def __init__(self) -> None:
        self.errors: list[Event] = []

    def notify(self, event: Event) -> None:
        if isinstance(event, ErrorSwallowed | StoreFailed):
            self.errors.append(event)


def make_app() -> tuple[Flask, Callable[[], str]]:
    app = Flask("site", static_folder=None)

    @app.get("/item/<int:number>")
    @app.route("/", methods=["GET", "POST"])
    def index(number: int = 0) -> Any:
        return jsonify(number=number, path=request.path)

    @app.route("/login", methods=["GET", "POST"])
    def login() -> tuple[str, int]:
        return "wrong", 401

    def limited() -> str:
        return "ok"

    return app, limited


@cache
def bare() -> Flask:
    """Make the app without a limiter."""
    app, limited = make_app()
    app.add_url_rule("/limited", "limited", limited)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    return app


@cache
def ours(named: bool, base_limit: int) -> tuple[Flask, Watch]:
    """Make the app with a limiter.

    Args:
        named: Whether clients are named by their API keys.
        base_limit: The limit on all requests of a client.
    """
    app, limited = make_app()
    watch = Watch()
    options: dict[str, Any] = {"key_func": api_key("X-Api-Key", verify=bool)} if named else {}
    limiter = IntelligentLimiter(
        app,
        storage_uri="memory://",
        background=False,
        base_limit=base_limit,
        honeypots=["/.env"],
        deny=["192.0.2.0/24"],
        listener=watch,
        **options,
    )
    app.add_url_rule("/limited", "limited", limiter.limit("2/minute")(limited))
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    return app, watch


def answer(app: Flask, fields: dict[str, Any]) -> int | str:
    """Give the status of an answer; the error's name where the server would answer 500."""
    environ = {**FIXED, **fields, "wsgi.input": io.BytesIO(b"hello"), "wsgi.errors": io.StringIO()}
    try:
        body, status, _ = run_wsgi_app(app, environ, buffered=True)
        b"".join(body)
        return int(status.split()[0])
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize(("named", "base_limit"), [(False, 1000), (True, 1000), (False, 1)])
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(fields=ENVIRONS)
@example({"HTTP_HOST": "[", "PATH_INFO": "/limited"})
@example({"HTTP_X_FORWARDED_FOR": ", , ,"})
@example({"REMOTE_ADDR": None})
def test_no_request_is_answered_in_another_way_than_without_the_limiter(
    named: bool, base_limit: int, fields: dict[str, Any]
) -> None:
    app, watch = ours(named, base_limit)
    expected = answer(bare(), fields)
    found = answer(app, fields)
    assert found in (expected, 429, 403)
    state_of(app).limiter.flush()
    assert watch.errors == []
