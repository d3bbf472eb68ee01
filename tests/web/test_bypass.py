"""Requests that come to the app past the middleware: headers, learning and metrics all the same."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flask_irl import IntelligentLimiter
from flask_irl.web.state import state_of
from tests.recorder import Recorder
from tests.web.sites import sites_of

LIMIT = 3


class Site:
    """An app, what serves it, and what its limiter told."""

    def __init__(self, before: Callable[[Flask], Any], after: Callable[[Flask, Any], Any]) -> None:
        self.app = Flask("site")
        self.app.add_url_rule("/", "index", lambda: "hello", methods=["GET", "POST"])
        self.app.add_url_rule("/broken", "broken", lambda: str(1 // 0))
        self.listener = Recorder()
        taken = before(self.app)
        self.limiter = IntelligentLimiter(
            self.app, base_limit=LIMIT, background=False, listener=self.listener
        )
        self.client = Client(after(self.app, taken), Response)

    def get(self, path: str = "/", **more: Any) -> Any:
        environ = {"REMOTE_ADDR": "203.0.113.9"}
        return self.client.open(path, environ_base=environ, **more)


def take(app: Flask) -> Any:
    return app.wsgi_app


def taken_by_a_dispatcher(app: Flask, taken: Any) -> Any:
    return DispatcherMiddleware(Flask("other"), {"/api": taken})


def replaced_afterwards(app: Flask, taken: Any) -> Any:
    app.wsgi_app = DispatcherMiddleware(taken, {})  # type: ignore[method-assign]
    return app


def left_alone(app: Flask, taken: Any) -> Any:
    return app


@pytest.fixture
def build() -> Iterator[Callable[[Any], Site]]:
    """Make sites; their limiters are closed when the test ends."""
    yield from sites_of(partial(Site, take))


BYPASSED = [(taken_by_a_dispatcher, "/api/"), (replaced_afterwards, "/")]


@pytest.mark.parametrize(("after", "path"), BYPASSED)
def test_answers_have_headers_and_are_learned_from_and_metered(
    build: Callable[[Any], Site], after: Any, path: str
) -> None:
    site = build(after)
    answers = [site.get(path) for _ in range(LIMIT + 2)]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429] * 2
    remaining = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
    assert remaining == [2, 1, 0, 0, 0]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert [answer.headers.getlist("X-RateLimit-Limit") for answer in answers] == [["3"]] * 5
    assert site.listener.outcomes == ["allowed"] * LIMIT + ["limited"] * 2
    assert state_of(site.app).limiter.flush() == LIMIT + 2


@pytest.mark.parametrize(("after", "path"), BYPASSED)
def test_one_warning_says_what_is_lost_and_how_to_mend_it(
    build: Callable[[Any], Site], after: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = build(after)
    with caplog.at_level(logging.WARNING, "flask_irl"):
        for _ in range(3):
            site.get(path)
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("middleware_bypassed ")
    assert "refusals in front of Flask" in line
    assert "init_app" in line


@pytest.mark.parametrize(("after", "path"), BYPASSED)
def test_what_a_hook_before_the_limiters_answers_is_counted(
    build: Callable[[Any], Site], after: Any, path: str
) -> None:
    site = build(after)
    site.app.before_request(lambda: "early" if request.method == "POST" else None)
    site.app.before_request_funcs[None].reverse()
    assert site.get(path).text == "hello"
    assert [site.get(path, method="POST").text for _ in range(LIMIT)] == ["early"] * LIMIT
    assert site.listener.outcomes == ["allowed"] * LIMIT + ["limited"]
    site.limiter.enabled = False
    assert "X-RateLimit-Limit" not in site.get(path, method="POST").headers


def test_a_refused_upload_is_read_to_its_end(build: Callable[[Any], Site]) -> None:
    site = build(replaced_afterwards)
    for _ in range(LIMIT):
        site.get()
    left = []

    def look(environ: Any, start_response: Any) -> Any:
        answer = site.app(environ, start_response)
        left.append(environ["wsgi.input"].read())
        return answer

    upload = Client(look, Response).post(
        "/", data=b"x" * 1000, environ_base={"REMOTE_ADDR": "203.0.113.9"}
    )
    assert (upload.status_code, left) == (429, [b""])


@pytest.mark.parametrize("debug", [False, True])
def test_a_view_that_raises_is_observed_once(build: Callable[[Any], Site], debug: bool) -> None:
    site = build(replaced_afterwards)
    site.app.testing = debug
    if debug:
        with pytest.raises(ZeroDivisionError):
            site.get("/broken")
    else:
        assert site.get("/broken").status_code == 500
    assert site.listener.decided_on == ["/broken"]


def test_the_hooks_see_the_headers_that_others_have_made(build: Callable[[Any], Site]) -> None:
    site = build(replaced_afterwards)

    @site.app.after_request
    def add(response: Response) -> Response:
        response.headers["X-RateLimit-Limit"] = "of another"
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    answer = site.get()
    assert answer.headers.getlist("X-RateLimit-Limit") == ["3"]
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]


def test_an_app_that_is_left_alone_gets_no_hooks_and_no_warning(
    build: Callable[[Any], Site], caplog: pytest.LogCaptureFixture
) -> None:
    site = build(left_alone)
    with caplog.at_level(logging.WARNING, "flask_irl"):
        assert site.get().headers["X-RateLimit-Remaining"] == "2"
    assert not site.app.after_request_funcs.get(None)
    assert caplog.records == []


SPEC = """
openapi: "3.0.0"
info: {title: greetings, version: "1"}
paths:
  /greet/{name}:
    get:
      operationId: tests.web.greetings.greet
      parameters:
        - {name: name, in: path, required: true, schema: {type: string}}
      responses: {"200": {description: a greeting}}
"""


def test_connexion_has_taken_the_app_before(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        # Of what it imports in its turn.
        warnings.simplefilter("ignore")
        import connexion
    (tmp_path / "spec.yaml").write_text(SPEC)
    outer = connexion.FlaskApp("greetings", specification_dir=str(tmp_path))
    outer.add_api("spec.yaml", resolver=connexion.Resolver(lambda name: lambda name: f"hi {name}"))
    listener = Recorder()
    limiter = IntelligentLimiter(outer.app, base_limit=LIMIT, background=False, listener=listener)
    client = outer.test_client()
    answers = [client.get("/greet/bob") for _ in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429]
    assert answers[0].headers["X-RateLimit-Remaining"] == "2"
    assert listener.outcomes == ["allowed"] * LIMIT + ["limited"]
    with outer.app.app_context():
        assert limiter.flush() == LIMIT + 1
    state_of(outer.app).limiter.close()


# Answered before the app's first hook


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_a_request_that_the_app_answers_before_its_first_hook_is_shown_as_it_was_counted(
    store: str, request: pytest.FixtureRequest
) -> None:
    uri = "memory://" if store == "memory" else request.getfixturevalue("redis_url")
    app = Flask("site")
    listener = Recorder()
    IntelligentLimiter(
        app,
        storage_uri=uri,
        base_limit=LIMIT,
        background=False,
        store_timeout=5.0,
        listener=listener,
    )
    closed: list[bool] = []
    app.add_url_rule("/<page>", "page", lambda page: page)

    @app.url_value_preprocessor
    def check(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if closed:
            abort(403)

    client = app.test_client()
    assert client.get("/shop").status_code == 200
    closed.append(True)
    answer = client.get("/shop")
    assert answer.status_code == 403
    if store == "redis":
        assert answer.headers["X-RateLimit-Remaining"] == "1"
        assert listener.decided_on == ["/<page>"] * 2
    state_of(app).limiter.close()
