"""No key of a request's environment is taken for granted; an address of nobody's is told."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import create_environ, run_wsgi_app

from flask_irl import IntelligentLimiter, api_key
from flask_irl.web.state import state_of
from tests.recorder import Recorder

LIMIT = 2
WHOLE = {
    **create_environ("/", method="GET", headers={"Accept": "*/*", "Origin": "null"}),
    "REMOTE_ADDR": "203.0.113.9",
    "CONTENT_LENGTH": "0",
    "HTTP_X_API_KEY": "key",
}


def new_app() -> Flask:
    app = Flask("site")
    app.add_url_rule("/", "index", lambda: "hello")
    return app


def ask(app: Flask, environ: dict[str, Any]) -> str:
    """Give the status of an answer, or the name of the error that bare Flask has, too."""
    try:
        _, status, _ = run_wsgi_app(app, dict(environ))
    except Exception as error:
        return repr(error)
    return status[:3]


@pytest.mark.parametrize("key", sorted(WHOLE))
def test_a_request_without_a_key_is_served_as_by_bare_flask_and_then_refused(
    key: str, uri: str
) -> None:
    environ = {name: value for name, value in WHOLE.items() if name != key}
    app, listener = new_app(), Recorder()
    IntelligentLimiter(
        app,
        base_limit=LIMIT,
        background=False,
        listener=listener,
        storage_uri=uri,
        store_timeout=5.0,
        key_func=api_key(verify=lambda key: True),
    )
    bare = ask(new_app(), environ)
    statuses = [ask(app, environ) for _ in range(LIMIT + 3)]
    if bare.isdecimal():
        assert statuses == [bare] * LIMIT + ["429"] * 3
        assert state_of(app).limiter.flush() > LIMIT
    else:
        assert set(statuses) <= {bare, "429"}
    assert listener.swallowed_at == []
    state_of(app).limiter.close()


class Behind:
    """An app behind a server or proxy."""

    def __init__(self, hops: int = 0, **options: Any) -> None:
        self.app = new_app()
        if hops:
            self.app.wsgi_app = ProxyFix(self.app.wsgi_app, x_for=hops)  # type: ignore[method-assign]
        IntelligentLimiter(self.app, background=False, **options)

    def ask(self, address: str | None, **environ: str) -> None:
        whole = {**WHOLE, **environ}
        whole.pop("REMOTE_ADDR")
        if address is not None:
            whole["REMOTE_ADDR"] = address
        ask(self.app, whole)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Gives the warnings so far."""
    with caplog.at_level(logging.WARNING, "flask_irl"):
        yield lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    "address",
    [None, "", "unix", "unix:", "localhost", "<local>", "0.0.0.0", "@"],  # noqa: S104
)
def test_where_the_server_knows_no_address_one_warning_names_proxy_fix(
    address: str | None, lines: Any
) -> None:
    site = Behind()
    for _ in range(3):
        site.ask(address)
    [line] = lines()
    assert line.startswith("address_unknown ")
    assert "ProxyFix" in line
    state_of(site.app).limiter.close()


def test_it_comes_at_the_first_such_request_and_with_a_proxys_header_missing(lines: Any) -> None:
    site = Behind(hops=1)
    site.ask("", HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert lines() == []
    site.ask("")
    assert len(lines()) == 1
    state_of(site.app).limiter.close()


@pytest.mark.parametrize("address", ["203.0.113.9", "127.0.0.1", "::1", "2001:db8::1"])
def test_an_address_is_no_reason_for_a_warning(address: str, lines: Any) -> None:
    site = Behind()
    site.ask(address)
    assert lines() == []
    state_of(site.app).limiter.close()


def test_whoever_names_clients_otherwise_is_not_warned(lines: Any) -> None:
    site = Behind(key_func=lambda: "somebody")
    site.ask("")
    assert lines() == []
    state_of(site.app).limiter.close()
