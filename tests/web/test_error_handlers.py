"""A refusal is a 429 wherever it is met, and the app's own error handling has its word."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import flask_restful
import flask_restx
import pytest
import strawberry
from apiflask import APIFlask, HTTPError
from flask import Blueprint, Flask, jsonify
from flask.typing import ResponseReturnValue
from flask_smorest import Api
from strawberry.flask.views import GraphQLView
from werkzeug.exceptions import HTTPException, ServiceUnavailable, TooManyRequests
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter, RateLimitExceeded
from flask_irl.stores.memory.store import MemoryStore
from tests.recorder import Recorder

PROBLEM = "application/problem+json"


def limited(app: Flask, **options: Any) -> IntelligentLimiter:
    options = {"admin": False, "background": False, "storage_uri": "memory://", **options}
    return IntelligentLimiter(app, **options)


def last_of(app: Flask, count: int, path: str = "/x", **arguments: Any) -> TestResponse:
    return [app.test_client().get(path, **arguments) for _ in range(count)][-1]


Refuse = Callable[[Flask, IntelligentLimiter], None]


def by_route(app: Flask, limiter: IntelligentLimiter) -> None:
    """The route's limit refuses, before the view."""
    app.add_url_rule("/x", "x", limiter.limit("1/minute")(lambda: ""))


def by_function(app: Flask, limiter: IntelligentLimiter) -> None:
    """A function that the view calls refuses."""

    @limiter.limit("1/minute")
    def helper() -> str:
        return "helped"

    app.add_url_rule("/x", "x", lambda: helper())


refusing = pytest.mark.parametrize("refuse", [by_route, by_function])


# Caught on its way


def test_a_refusal_that_is_caught_is_a_429_with_our_answer() -> None:
    app = Flask("site")
    limiter = limited(app)
    caught: list[RateLimitExceeded] = []

    @limiter.limit("1/hour", error_message="not so fast")
    def costly() -> str:
        return "done"

    @app.get("/x")
    def view() -> ResponseReturnValue:
        try:
            return costly()
        except RateLimitExceeded as error:
            caught.append(error)
            return error.get_response()

    refused = last_of(app, 2)
    (error,) = caught
    assert isinstance(error, TooManyRequests)
    assert (error.code, error.name) == (429, "Too Many Requests")
    assert str(error) == "429 Too Many Requests: not so fast"
    assert error.retry_after == int(refused.headers["Retry-After"]) > 0
    assert refused.status_code == 429
    assert refused.get_json()["detail"]["error"] == "not so fast"
    assert refused.headers.getlist("X-RateLimit-Limit") == ["1"]
    response = error.get_response()
    assert (response.status_code, response.mimetype) == (429, "application/json")
    assert response.headers["X-RateLimit-Remaining"] == "0"


def test_a_decorator_that_words_all_http_errors_words_a_refusal() -> None:
    app = Flask("site")
    limiter = limited(app)

    def as_json(view: Callable[[], str]) -> Callable[[], ResponseReturnValue]:
        @functools.wraps(view)
        def wrapped() -> ResponseReturnValue:
            try:
                return view()
            except HTTPException as error:
                return jsonify(error=error.name, why=error.description), error.code or 200

        return wrapped

    @limiter.limit("1/hour")
    def costly() -> str:
        return "done"

    app.add_url_rule("/x", "x", as_json(lambda: costly()))
    refused = last_of(app, 2)
    assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
    assert refused.get_json() == {"error": "Too Many Requests", "why": "Rate limit exceeded"}


def test_a_refused_graphql_field_says_so() -> None:
    app = Flask("site")
    limiter = limited(app)

    @limiter.limit("1/hour")
    def costly() -> str:
        return "done"

    @strawberry.type
    class Query:
        @strawberry.field
        def report(self) -> str:
            return costly()

    view = GraphQLView.as_view("graphql", schema=strawberry.Schema(Query))
    app.add_url_rule("/graphql", view_func=view)
    answers = [
        app.test_client().post("/graphql", json={"query": "{report}"}).get_json() for _ in range(2)
    ]
    assert answers[0]["data"] == {"report": "done"}
    (error,) = answers[1]["errors"]
    assert error["message"] == "429 Too Many Requests: Rate limit exceeded"


def test_without_a_store_a_caught_refusal_is_a_503() -> None:
    app = Flask("site")
    limiter = limited(app)
    exceeded = app.extensions["flask_irl"].responder.exceeded
    by_function(app, limiter)
    last_of(app, 2)
    with app.test_request_context("/x"):
        app.preprocess_request()
        decision = limiter.current_decision
        assert decision is not None
        error = exceeded(decision._replace(outcome="blocked", source="none"), None)
    assert isinstance(error, RateLimitExceeded)
    assert str(error) == "503 Service Unavailable: Rate limiter unavailable"
    assert error.get_response().status_code == 503
    assert "X-RateLimit-Limit" not in error.get_response().headers


# Handlers of Flask


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store answers nothing."""

    def hit(*arguments: object) -> object:
        raise ConnectionError("gone")

    monkeypatch.setattr(MemoryStore, "hit", hit)


@pytest.mark.usefixtures("lost")
@pytest.mark.parametrize("registered", [503, ServiceUnavailable, HTTPException])
def test_the_apps_handler_of_503_answers_while_no_store_does(registered: Any) -> None:
    app = Flask("site")
    by_route(app, limited(app, on_store_error="deny"))
    app.register_error_handler(429, lambda error: ("of 429", 429))
    app.register_error_handler(registered, lambda error: (f"down {error.code}", 503))
    assert last_of(app, 1).text == "down 503"


def problem_page(error: HTTPException) -> ResponseReturnValue:
    """Word an error as Flask's documentation has it."""
    response = error.get_response()
    assert isinstance(response.data, bytes)
    response.data = json.dumps({"code": error.code, "name": error.name})
    response.content_type = "application/json"
    return response


@refusing
def test_a_handler_of_all_http_errors_words_a_refusal(refuse: Refuse) -> None:
    app = Flask("site")
    refuse(app, limited(app))
    app.register_error_handler(HTTPException, problem_page)
    refused = last_of(app, 2)
    assert refused.status_code == 429
    assert refused.get_json() == {"code": 429, "name": "Too Many Requests"}
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers.getlist("X-RateLimit-Limit") == ["1"]


def test_a_blueprints_handler_of_all_http_errors_goes_before_the_apps() -> None:
    app = Flask("site")
    limiter = limited(app, default_limits="1/minute")
    shop = Blueprint("shop", "shop", url_prefix="/shop")
    shop.add_url_rule("/x", "x", lambda: "")
    shop.register_error_handler(HTTPException, lambda error: ("the shop's", error.code))
    app.register_blueprint(shop)
    app.register_error_handler(HTTPException, lambda error: ("the app's", error.code))
    by_route(app, limiter)
    assert last_of(app, 2, "/shop/x").text == "the shop's"
    assert last_of(app, 2, "/x").text == "the app's"


@refusing
def test_a_client_that_names_problem_json_gets_it_past_a_handler_of_all(refuse: Refuse) -> None:
    app = Flask("site")
    refuse(app, limited(app))
    app.register_error_handler(HTTPException, problem_page)
    refused = last_of(app, 2, headers={"Accept": PROBLEM})
    assert (refused.status_code, refused.mimetype) == (429, PROBLEM)


@pytest.mark.parametrize("registered", [429, HTTPException])
def test_where_the_app_answers_no_refusal_is_early(registered: Any) -> None:
    app = Flask("site")
    answered: list[int] = []
    by_route(app, limited(app))

    def handle(error: HTTPException) -> ResponseReturnValue:
        answered.append(1)
        return "slow down", 429

    app.register_error_handler(registered, handle)
    assert last_of(app, 6).text == "slow down"
    assert len(answered) == 5


@refusing
def test_a_handler_of_all_http_errors_that_raises_leaves_the_answer_to_the_limiter(
    refuse: Refuse,
) -> None:
    app = Flask("site")
    refuse(app, limited(app))

    # As connexion 3.3.0's does, to hand it on to a middleware of its own.
    @app.errorhandler(HTTPException)
    def hand_on(error: HTTPException) -> ResponseReturnValue:
        raise LookupError(error.code)

    refused = last_of(app, 2)
    assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
    assert refused.get_json()["detail"]["limit"] == 1


@refusing
def test_a_handler_of_every_exception_is_not_asked(refuse: Refuse) -> None:
    app = Flask("site")
    alarms: list[Exception] = []
    refuse(app, limited(app))

    @app.errorhandler(Exception)
    def alarm(error: Exception) -> ResponseReturnValue:
        alarms.append(error)
        return "broken", 500

    assert last_of(app, 2).get_json()["detail"]["limit"] == 1
    assert alarms == []


@refusing
def test_trapped_http_errors_are_refusals_all_the_same(refuse: Refuse) -> None:
    app = Flask("site")
    app.config["TRAP_HTTP_EXCEPTIONS"] = True
    refuse(app, limited(app))
    assert last_of(app, 2).get_json()["detail"]["limit"] == 1


@pytest.mark.parametrize("first", [True, False])
def test_a_handler_of_refusals_alone_goes_before_all_others(first: bool) -> None:
    app = Flask("site")
    if first:
        app.register_error_handler(RateLimitExceeded, lambda error: ("of refusals", 429))
    by_route(app, limited(app))
    app.register_error_handler(429, lambda error: ("of 429", 429))
    if not first:
        app.register_error_handler(RateLimitExceeded, lambda error: ("of refusals", 429))
    assert last_of(app, 2).text == "of refusals"


def test_an_app_that_handles_exceptions_in_its_own_way_is_asked() -> None:
    class Site(Flask):
        def handle_http_exception(self, e: HTTPException) -> ResponseReturnValue:
            return f"own {e.code}", e.code or 500

    app = Site("site")
    by_route(app, limited(app))
    assert last_of(app, 3).text == "own 429"
    assert last_of(app, 1, headers={"Accept": PROBLEM}).mimetype == PROBLEM


@pytest.mark.parametrize("kind", [TooManyRequests, HTTPException])
def test_flasks_handlers_are_asked_in_an_app_with_flask_restx(kind: type[HTTPException]) -> None:
    app, _ = restx_site("decorators")
    app.register_error_handler(kind, lambda error: ("the app's", error.code))
    assert last_of(app, 4, "/page").text == "the app's"


def test_a_tracer_around_flasks_methods_leaves_refusals_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = Flask.handle_user_exception
    monkeypatch.setattr(Flask, "handle_user_exception", lambda self, e: plain(self, e))
    app = Flask("site")
    reached: list[int] = []
    listener = Recorder()
    limited(app, base_limit=1, listener=listener)
    app.add_url_rule("/x", "x", lambda: "")
    app.before_request(lambda: reached.append(1))
    app.teardown_request(lambda error: reached.append(2))
    last_of(app, 4)
    assert listener.outcomes == ["allowed", *["limited"] * 3]
    # One that was admitted, and one refused within Flask.
    assert reached == [1, 2, 2]


@refusing
@pytest.mark.parametrize("registered", [None, 429, HTTPException])
def test_a_tracer_around_every_error_handler_changes_no_answer(
    refuse: Refuse, registered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Flask.register_error_handler

    # As ddtrace 4.16.0 does.
    def register(self: Flask, kind: Any, handler: Any) -> None:
        plain(self, kind, lambda error: handler(error))

    monkeypatch.setattr(Flask, "register_error_handler", register)
    app = Flask("site")
    listener = Recorder()
    refuse(app, limited(app, listener=listener))
    if registered is not None:
        app.register_error_handler(registered, lambda error: ("the app's", 429))
    refused = last_of(app, 3)
    assert refused.status_code == 429
    assert ("the app's" in refused.text) is (registered is not None)


# Extensions that handle errors


def restx_site(decorate: str) -> tuple[Flask, flask_restx.Api]:
    app = Flask("site")
    limiter = limited(app)
    api = flask_restx.Api(app, doc=False)

    class Thing(flask_restx.Resource):  # type: ignore[misc]
        def get(self) -> dict[str, int]:
            return {"a": 1}

    setattr(Thing, decorate, [limiter.limit("1/hour")])
    api.add_resource(Thing, "/x")
    app.add_url_rule("/page", "page", limiter.limit("1/hour")(lambda: ""))
    return app, api


@pytest.mark.parametrize("decorate", ["decorators", "method_decorators"])
def test_flask_restx_words_a_refusal_of_its_own_routes(decorate: str) -> None:
    app, _ = restx_site(decorate)
    refused = last_of(app, 4)
    assert (refused.status_code, refused.get_json()) == (429, {"message": "Rate limit exceeded"})
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers.getlist("X-RateLimit-Limit") == ["1"]
    assert last_of(app, 4, "/page").get_json()["detail"]["limit"] == 1


@pytest.mark.parametrize("decorate", ["decorators", "method_decorators"])
@pytest.mark.parametrize("kind", [TooManyRequests, RateLimitExceeded])
def test_flask_restxs_own_error_handlers_are_asked(decorate: str, kind: type) -> None:
    app, api = restx_site(decorate)

    @api.errorhandler(kind)  # type: ignore[untyped-decorator]
    def handle(error: RateLimitExceeded) -> tuple[dict[str, Any], int]:
        return {"message": "slow down", "limit": error.decision.limit}, 429

    refused = last_of(app, 4)
    assert refused.status_code == 429
    assert refused.get_json() == {"message": "slow down", "limit": 1}
    assert "Retry-After" in refused.headers


def test_flask_restxs_handler_of_every_exception_does_not_hide_a_refusal() -> None:
    app, api = restx_site("decorators")

    @api.errorhandler(Exception)  # type: ignore[untyped-decorator]
    def alarm(error: Exception) -> tuple[dict[str, Any], int]:
        return {"message": "broken"}, 500

    refused = last_of(app, 4)
    assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
    assert refused.get_json()["detail"]["limit"] == 1


@pytest.mark.parametrize("decorate", ["decorators", "method_decorators"])
def test_flask_restful_words_a_refusal_of_its_own_routes(decorate: str) -> None:
    app = Flask("site")
    limiter = limited(app)
    errors = {"RateLimitExceeded": {"message": "slow down", "status": 429}}
    api = flask_restful.Api(app, errors=errors)

    class Thing(flask_restful.Resource):  # type: ignore[misc]
        def get(self) -> dict[str, int]:
            return {"a": 1}

    setattr(Thing, decorate, [limiter.limit("1/hour")])
    api.add_resource(Thing, "/x")
    refused = last_of(app, 4)
    assert (refused.status_code, refused.get_json()["message"]) == (429, "slow down")
    assert int(refused.headers["Retry-After"]) > 0


@refusing
def test_flask_smorest_words_a_refusal_as_all_its_errors(refuse: Refuse) -> None:
    app = Flask("site")
    app.config.update(API_TITLE="site", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    refuse(app, limited(app))
    Api(app)
    refused = last_of(app, 4)
    assert refused.status_code == 429
    assert refused.get_json() == {"code": 429, "status": "Too Many Requests"}
    assert int(refused.headers["Retry-After"]) > 0
    assert last_of(app, 2, headers={"Accept": PROBLEM}).mimetype == PROBLEM


@refusing
def test_apiflasks_error_processor_words_a_refusal(refuse: Refuse) -> None:
    app = APIFlask("site", openapi_blueprint_url_prefix="/api")
    refuse(app, limited(app))

    @app.error_processor
    def word(error: HTTPError) -> tuple[dict[str, Any], int]:
        return {"status": error.status_code, "why": error.message}, error.status_code

    refused = last_of(app, 4)
    assert refused.status_code == 429
    assert refused.get_json() == {"status": 429, "why": "Too Many Requests"}
    assert int(refused.headers["Retry-After"]) > 0
