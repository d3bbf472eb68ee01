"""Test limits on the whole application, on refusals, and on answered requests, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, make_response, request

from flask_irl import ConfigurationError, CurrentLimit, IntelligentLimiter
from flask_irl.limits.decision import Hit
from flask_irl.limits.plan import Plan
from flask_irl.operations import Operations
from flask_irl.stores.redis.store import RedisStore
from flask_irl.web.state import state_of
from tests.redis_server import RedisServer

Make = Callable[..., tuple[Flask, IntelligentLimiter]]


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make an app on either store whose clients have no other limits than the test's."""
    made: list[Flask] = []
    uri = "memory://"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        with server.client() as client:
            client.flushall()
        uri = server.url

    def make(**options: Any) -> tuple[Flask, IntelligentLimiter]:
        app = Flask("site")
        options = {"base_limit": None, "store_timeout": 5, "background": False, **options}
        limiter = IntelligentLimiter(app, storage_uri=uri, **options)
        made.append(app)
        return app, limiter

    yield make
    for app in made:
        state_of(app).limiter.close()


def statuses(app: Flask, paths: str, **arguments: Any) -> list[int]:
    client = app.test_client()
    return [client.get(path, **arguments).status_code for path in paths.split()]


def add_routes(app: Flask, *paths: str) -> None:
    for path in paths:
        app.add_url_rule(path, path, lambda: "answer", methods=["GET", "POST"])


def test_all_routes_share_the_applications_limits(make: Make) -> None:
    app, _ = make(application_limits=["3/hour"], default_limits=["2/hour"])
    add_routes(app, "/a", "/b")
    assert statuses(app, "/a /a /a /b /b") == [200, 200, 429, 200, 429]


def test_a_refused_request_counts_in_none_of_the_limits(make: Make) -> None:
    app, limiter = make(application_limits=["3/hour"])
    add_routes(app, "/b")
    app.add_url_rule("/a", "a", limiter.limit("1/hour")(lambda: "answer"))
    assert statuses(app, "/a /a /a /b /b /b") == [200, 429, 429, 200, 200, 429]


def test_unknown_paths_count_in_the_applications_limits(make: Make) -> None:
    app, _ = make(application_limits=["1/hour"])
    assert statuses(app, "/none /none") == [404, 429]


def test_the_applications_limits_may_count_each_method_by_itself(make: Make) -> None:
    app, _ = make(application_limits=["1/hour"], application_limits_per_method=True)
    add_routes(app, "/a", "/b")
    client = app.test_client()
    assert statuses(app, "/a /b") == [200, 429]
    assert [client.post("/a").status_code, client.post("/b").status_code] == [200, 429]


def test_default_limits_may_have_conditions(make: Make) -> None:
    app, _ = make(
        default_limits=["4/hour"],
        default_limits_exempt_when=lambda: "staff" in request.args,
        default_limits_cost=lambda: 2,
        default_limits_per_method=True,
    )
    add_routes(app, "/a")
    assert statuses(app, "/a /a /a?staff /a") == [200, 200, 200, 429]
    assert app.test_client().post("/a").status_code == 200


def test_a_cost_of_the_default_limits_is_for_them_alone(make: Make) -> None:
    app, limiter = make(default_limits=["4/hour"], default_limits_cost=2)
    limited = limiter.limit("4/hour", override_defaults=False)(lambda: "answer")
    app.add_url_rule("/a", "a", limited)
    assert statuses(app, "/a /a") == [200, 200]
    with app.test_client() as client:
        client.get("/a")
        left = {limit.remaining for limit in limiter.current_limits}
    assert left == {0, 2}


def test_a_client_with_too_many_refusals_is_refused_everywhere(make: Make) -> None:
    app, limiter = make(meta_limits=["2/hour"])
    app.add_url_rule("/a", "a", limiter.limit("1/hour")(lambda: "answer"))
    add_routes(app, "/b")
    assert statuses(app, "/b /a /a /b /a /b") == [200, 200, 429, 200, 429, 429]


def test_a_refusal_by_a_meta_limit_is_no_further_refusal(make: Make) -> None:
    app, limiter = make(meta_limits=["2/hour"])
    app.add_url_rule("/a", "a", limiter.limit("1/hour")(lambda: "answer"))
    with app.test_client() as client:
        for _ in range(9):
            client.get("/a")
        response = client.get("/a")
    assert response.status_code == 429
    assert response.headers["X-RateLimit-Limit"] == "2"


def test_a_limits_own_meta_limit_counts_its_refusals_alone(make: Make) -> None:
    app, limiter = make(default_limits=["1/hour"])
    once = limiter.limit("1/hour", meta_limits=["1/hour"])(lambda: "answer")
    app.add_url_rule("/a", "a", once)
    add_routes(app, "/b")
    assert statuses(app, "/a /a /b /b") == [200, 429, 200, 429]
    with app.test_client() as client:
        assert client.get("/a").headers["X-RateLimit-Limit"] == "1"


def failing(path: str) -> str:
    if path == "bad":
        abort(401)
    return "in"


def test_only_answers_that_are_to_count_count(make: Make) -> None:
    app, limiter = make()
    limited = limiter.limit("2/hour", deduct_when=lambda response: response.status_code == 401)
    app.add_url_rule("/login/<path>", "login", limited(failing))
    good, bad = "/login/good", "/login/bad"
    assert statuses(app, f"{good} {good} {good} {bad} {good} {bad} {good} {bad}") == [
        *[200, 200, 200, 401, 200, 401, 429, 429]
    ]


def test_headers_show_a_limit_with_the_answer_counted(make: Make) -> None:
    app, limiter = make()
    limited = limiter.limit("5/hour", cost=2, deduct_when=lambda response: True)
    app.add_url_rule("/a", "a", limited(lambda: "answer"))
    with app.test_client() as client:
        shown = [client.get("/a").headers["X-RateLimit-Remaining"] for _ in range(2)]
    assert shown == ["3", "1"]


def test_a_limit_with_deduct_when_counts_apart_from_its_routes_others(make: Make) -> None:
    app, limiter = make()
    view = limiter.limit("3/hour")(lambda: "answer")
    view = limiter.limit("9/hour", deduct_when=lambda response: False)(view)
    app.add_url_rule("/a", "a", view)
    assert statuses(app, "/a /a /a /a") == [200, 200, 200, 429]


def test_a_function_s_limit_may_count_by_the_answer(make: Make) -> None:
    app, limiter = make()
    costly = limiter.limit("1/hour", deduct_when=lambda response: "yes" in request.args)
    work: Callable[[], str] = costly(lambda: "done")
    app.add_url_rule("/a", "a", lambda: work())
    assert statuses(app, "/a /a /a?yes /a") == [200, 200, 200, 429]


def test_what_raises_in_deduct_when_costs_nobody_a_request(make: Make) -> None:
    app, limiter = make()

    def fails(response: Response) -> bool:
        raise RuntimeError("fails")

    app.add_url_rule("/a", "a", limiter.limit("1/hour", deduct_when=fails)(lambda: "answer"))
    assert statuses(app, "/a /a") == [200, 200]


def test_the_app_may_answer_each_breach(make: Make) -> None:
    told: list[CurrentLimit] = []

    def tell(limit: CurrentLimit) -> None:
        told.append(limit)

    def answer(limit: CurrentLimit) -> Response:
        return make_response(f"{limit.limit} is enough", 429)

    app, limiter = make(on_breach=tell)
    app.add_url_rule("/a", "a", limiter.limit("1/hour", on_breach=answer)(lambda: "answer"))
    app.add_url_rule("/b", "b", limiter.limit("1/hour")(lambda: "answer"))
    with app.test_client() as client:
        texts = [client.get("/a").text for _ in range(3)]
        assert client.get("/b").status_code == 200
        assert client.get("/b").status_code == 429
    assert texts == ["answer", "1 is enough", "1 is enough"]
    assert [limit.scope for limit in told] == ["a", "a", "b"]
    assert all(limit.breached for limit in told)


def test_a_breach_of_a_meta_limit_has_an_answer_of_its_own(make: Make) -> None:
    app, limiter = make(
        meta_limits=["1/hour"],
        on_breach=lambda limit: make_response("slower", 429),
        on_meta_breach=lambda limit: make_response("go away", 403),
    )
    app.add_url_rule("/a", "a", limiter.limit("1/hour")(lambda: "answer"))
    with app.test_client() as client:
        answers = [client.get("/a") for _ in range(3)]
    assert [answer.text for answer in answers] == ["answer", "slower", "go away"]
    assert answers[2].status_code == 403


def test_an_error_handler_has_the_apps_answer_at_hand(make: Make) -> None:
    app, limiter = make(on_breach=lambda limit: make_response("slower", 429))

    def handle(error: Any) -> tuple[str, int]:
        return "handled: " + error.response.get_data(as_text=True), 429

    app.register_error_handler(429, handle)
    app.add_url_rule("/a", "a", limiter.limit("1/hour")(lambda: "answer"))
    with app.test_client() as client:
        assert [client.get("/a").text for _ in range(2)] == ["answer", "handled: slower"]


def test_a_limit_s_own_answer_stays_after_another_refusal_of_its_route(make: Make) -> None:
    app, limiter = make()
    answer = limiter.limit("1/minute", on_breach=lambda limit: make_response("slower", 429))
    app.add_url_rule("/", "index", answer(lambda: "ok"))
    client = app.test_client()
    assert [client.get("/").text for _ in range(3)] == ["ok", "slower", "slower"]
    with app.app_context():
        limiter.block("192.0.2.1")
    for _ in range(2):
        blocked = client.get("/", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
        assert (blocked.status_code, blocked.text == "slower") == (429, False)
    assert [client.get("/").text for _ in range(2)] == ["slower"] * 2


def test_what_raises_in_on_breach_changes_no_answer(make: Make) -> None:
    def fails(limit: CurrentLimit) -> Response:
        raise RuntimeError("fails")

    app, limiter = make(on_breach=fails)
    app.add_url_rule("/a", "a", limiter.limit("1/hour")(lambda: "answer"))
    assert statuses(app, "/a /a /a") == [200, 429, 429]


def test_parts_of_a_route_may_count_apart(make: Make) -> None:
    app, limiter = make()

    def part(endpoint: str) -> str:
        return str((request.view_args or {})["part"])

    limited = limiter.limit("1/hour", scope=part)
    app.add_url_rule("/a/<part>", "a", limited(lambda part: part))
    assert statuses(app, "/a/1 /a/1 /a/2 /a/2") == [200, 429, 200, 429]


def test_a_shared_limit_may_be_for_some_methods(make: Make) -> None:
    app, limiter = make()
    shared = limiter.shared_limit("1/hour", "writes", methods=["POST"])
    for path in ("/a", "/b"):
        app.add_url_rule(path, path, shared(lambda: "answer"), methods=["GET", "POST"])
    client = app.test_client()
    assert statuses(app, "/a /a") == [200, 200]
    assert [client.post(path).status_code for path in ("/a", "/b")] == [200, 429]


def test_blueprints_take_limits_on_refusals_and_answers(make: Make) -> None:
    app, limiter = make()
    api = Blueprint("api", __name__, url_prefix="/api")
    api.add_url_rule("/<path>", "login", failing)
    limiter.limit("1/hour", deduct_when=lambda r: r.status_code == 401, meta_limits=["1/hour"])(api)
    app.register_blueprint(api)
    assert statuses(app, "/api/good /api/good /api/bad /api/good") == [200, 200, 401, 429]


def test_the_current_limit_is_that_of_the_headers(make: Make) -> None:
    app, limiter = make(application_limits=["5/hour"])
    app.add_url_rule("/a", "a", limiter.limit("3/hour")(lambda: "answer"))
    with app.test_client() as client:
        client.get("/a")
        limit = limiter.current_limit
    assert limit is not None
    assert (limit.scope, limit.limit, limit.remaining, limit.breached) == ("a", 3, 2, False)
    assert limiter.current_limit is None


def test_operators_see_limits_on_all_routes(make: Make) -> None:
    app, _ = make(application_limits=["5/hour"], meta_limits=["9/day"])
    limits = Operations(state_of(app).limiter).site.limits()
    assert limits["application_limits"] == ["5 per 3600 seconds"]
    assert limits["meta_limits"] == ["9 per 86400 seconds"]


def test_all_of_it_is_one_call_of_the_store(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("hit", "begin", "peek", "lease"):
        inner = getattr(RedisStore, name)

        def counting(
            store: RedisStore, plan: Plan, keys: Sequence[str], *rest: Any, inner: Any = inner
        ) -> Hit:
            calls.append(inner.__name__)
            return inner(store, plan, keys, *rest)  # type: ignore[no-any-return]

        monkeypatch.setattr(RedisStore, name, counting)
    app = Flask("site")
    limiter = IntelligentLimiter(
        app,
        storage_uri=redis_server.url,
        store_timeout=5,
        background=False,
        application_limits=["9/hour"],
        meta_limits=["9/hour"],
        on_breach=lambda limit: None,
    )
    limited = limiter.limit(
        "1/hour", deduct_when=lambda r: r.status_code == 401, meta_limits=["3/hour"]
    )
    app.add_url_rule("/<path>", "login", limited(failing))
    with app.test_client() as client:
        # The first request makes the connection.
        client.get("/good")
        del calls[:]
        assert client.get("/good").status_code == 200
        assert len(calls) == 1
        assert client.get("/bad").status_code == 401
        assert client.get("/good").status_code == 429
    state_of(app).limiter.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_breach": "no"}, "on_breach 'no' is not allowed"),
        ({"on_meta_breach": 1}, "on_meta_breach 1 is not allowed"),
        ({"default_limits_exempt_when": "no"}, "default_limits_exempt_when 'no'"),
        ({"application_limits_deduct_when": "no"}, "application_limits_deduct_when 'no'"),
        ({"application_limits_cost": -1}, "application_limits_cost -1 is not allowed"),
        ({"default_limits_per_method": "yes"}, "default_limits_per_method is 'yes'"),
        ({"meta_limits": "often"}, "meta_limits: limit 'often' can't be read"),
        ({"application_limits": 5}, "application_limits is 5"),
    ],
)
def test_conditions_that_are_none_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        IntelligentLimiter(**options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"deduct_when": 1}, "deduct_when 1 is not allowed"),
        ({"on_breach": "x"}, "on_breach 'x' is not allowed"),
        ({"meta_limits": "3/hour"}, "meta_limits '3/hour' is not allowed: give a list"),
        ({"meta_limits": ["often"]}, "limit 'often' can't be read"),
        ({"scope": 5}, "scope 5 is not allowed"),
    ],
)
def test_a_limits_conditions_that_are_none_are_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        IntelligentLimiter().limit("1/hour", **arguments)
