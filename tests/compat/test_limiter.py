"""Test the stand-in for Flask-Limiter: its names, defaults and answers, on both stores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, make_response, request
from flask.views import MethodView
from limits.errors import ConfigurationError as LimitsConfigurationError

from flask_irl import ConfigurationError
from flask_irl.compat import (
    ApplicationLimit,
    ExemptionScope,
    HeaderNames,
    Limit,
    Limiter,
    MetaLimit,
    RateLimitExceeded,
    RequestLimit,
)
from flask_irl.compat.commands import cli
from flask_irl.compat.constants import ConfigVars
from flask_irl.compat.util import get_remote_address
from flask_irl.limits.plan import Plan
from flask_irl.stores.redis.store import RedisStore
from flask_irl.web.replay_plans import plans_for_log
from flask_irl.web.state import state_of
from tests.redis_server import RedisServer

Make = Callable[..., tuple[Flask, Limiter]]


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make an app with a limiter on either store."""
    made: list[Limiter] = []
    uri = "memory://"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        with server.client() as client:
            client.flushall()
        uri = server.url

    def make(config: dict[str, Any] | None = None, **arguments: Any) -> tuple[Flask, Limiter]:
        app = Flask("site")
        app.config.update(IRL_BACKGROUND=False, IRL_STORE_TIMEOUT=5)
        app.config.update({ConfigVars.STORAGE_URI: uri, **(config or {})})
        limiter = Limiter(arguments.pop("key_func", get_remote_address), app=app, **arguments)
        made.append(limiter)
        return app, limiter

    yield make
    for limiter in made:
        limiter.close()


def statuses(app: Flask, paths: str, **arguments: Any) -> list[int]:
    client = app.test_client()
    return [client.get(path, **arguments).status_code for path in paths.split()]


def new() -> Callable[[], str]:
    """Make a view: a limit stays with the function that it decorates."""
    return lambda: "answer"


def test_a_refused_request_counts_in_the_limits_before(make: Make) -> None:
    app, limiter = make(application_limits=["3/hour"])
    app.add_url_rule("/a", "a", limiter.limit("1/hour")(new()))
    app.add_url_rule("/b", "b", new())
    assert statuses(app, "/a /a /b /b") == [200, 429, 200, 429]


def test_limits_behind_the_one_that_refuses_count_nothing(make: Make) -> None:
    app, limiter = make()
    app.add_url_rule("/a", "a", limiter.limit("1/minute;3/hour")(new()))
    app.add_url_rule("/b", "b", limiter.limit("1/minute", scope="x")(new()))
    assert statuses(app, "/a /a /a /a") == [200, 429, 429, 429]
    with app.test_request_context():
        (left,) = {
            limiter.limiter.get_window_stats(item, "127.0.0.1", "a").remaining
            for item in Limit("3/hour").items()
        }
    assert left == 2


def test_without_fail_on_first_breach_each_limit_counts_by_itself(make: Make) -> None:
    app, limiter = make(fail_on_first_breach=False)
    app.add_url_rule("/a", "a", limiter.limit("1/minute;3/hour")(new()))
    statuses(app, "/a /a /a")
    stats = limiter.limiter.get_window_stats(Limit("3/hour").items()[0], "127.0.0.1", "a")
    assert stats.remaining == 0


def test_a_request_is_one_call_of_redis_whatever_its_limits(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("hit", "begin", "peek", "lease"):
        inner = getattr(RedisStore, name)

        def counting(
            store: RedisStore, plan: Plan, keys: Sequence[str], *rest: Any, inner: Any = inner
        ) -> Any:
            calls.append(inner.__name__)
            return inner(store, plan, keys, *rest)

        monkeypatch.setattr(RedisStore, name, counting)
    app = Flask("site")
    app.config.update(IRL_BACKGROUND=False, IRL_STORE_TIMEOUT=5)
    limiter = Limiter(
        get_remote_address,
        app=app,
        storage_uri=redis_server.url.replace("redis://", "valkey://"),
        key_prefix="once",
        application_limits=["99/hour"],
        default_limits=["50/hour", lambda: "60/day"],
        meta_limits=["9/hour"],
        headers_enabled=True,
    )
    limited = limiter.limit("20/hour", override_defaults=False, meta_limits=["5/day"])
    app.add_url_rule("/a", "a", limited(new()))
    statuses(app, "/a")
    del calls[:]
    assert statuses(app, "/a") == [200]
    assert len(calls) == 1
    limiter.close()


def test_arguments_go_before_the_config(make: Make) -> None:
    app, limiter = make(
        {
            ConfigVars.DEFAULT_LIMITS: "9/hour",
            ConfigVars.HEADERS_ENABLED: False,
            ConfigVars.HEADER_LIMIT: "X-Config",
            ConfigVars.KEY_PREFIX: "config",
            ConfigVars.STRATEGY: "fixed-window",
            ConfigVars.FAIL_ON_FIRST_BREACH: True,
            ConfigVars.META_LIMITS: "9/day",
        },
        default_limits=["1/hour"],
        headers_enabled=True,
        header_name_mapping={HeaderNames.LIMIT: "X-Argument"},
        key_prefix="argument",
        strategy="moving-window",
        fail_on_first_breach=False,
        meta_limits=["8/day"],
    )
    app.add_url_rule("/a", "a", new())
    with app.test_client() as client:
        assert client.get("/a").headers["X-Argument"] == "1"
    settings = limiter.state().settings
    assert (settings.strategy, settings.fail_on_first_breach) == ("moving-window", False)
    assert settings.key_prefix == "argument"
    assert [str(x) for limit in settings.meta for x in limit.items()] == ["8 per 1 day"]


def test_the_config_alone_does_all_of_it(make: Make) -> None:
    app, _ = make(
        {
            ConfigVars.DEFAULT_LIMITS: "4/hour",
            ConfigVars.DEFAULT_LIMITS_COST: 2,
            ConfigVars.DEFAULT_LIMITS_PER_METHOD: True,
            ConfigVars.DEFAULT_LIMITS_EXEMPT_WHEN: lambda: "staff" in request.args,
            ConfigVars.APPLICATION_LIMITS: "5/hour",
            ConfigVars.HEADERS_ENABLED: True,
            ConfigVars.HEADER_REMAINING: "X-Left",
            ConfigVars.HEADER_RETRY_AFTER_VALUE: "http-date",
        }
    )
    app.add_url_rule("/a", "a", new(), methods=["GET", "POST"])
    client = app.test_client()
    assert [client.get("/a").headers["X-Left"] for _ in range(2)] == ["2", "0"]
    assert client.get("/a?staff").status_code == 200
    assert client.post("/a").status_code == 200
    refused = client.get("/a")
    assert refused.status_code == 429
    assert refused.headers["Retry-After"].endswith("GMT")


def test_head_counts_as_get(make: Make) -> None:
    app, limiter = make()
    app.add_url_rule("/a", "a", limiter.limit("1/hour", per_method=True)(new()))
    client = app.test_client()
    assert client.head("/a").status_code == 200
    assert client.get("/a").status_code == 429


def test_each_text_of_a_limit_counts_by_itself(make: Make) -> None:
    app, limiter = make()

    def by_plan() -> str:
        return "2/hour" if "gold" in request.args else "1/hour"

    app.add_url_rule("/a", "a", limiter.limit(by_plan)(new()))
    assert statuses(app, "/a /a /a?gold /a?gold /a?gold") == [200, 429, 200, 200, 429]


def test_limits_with_keys_of_their_own_count_those(make: Make) -> None:
    app, limiter = make()
    view = limiter.limit("3/hour", key_func=lambda: "everybody")(limiter.limit("2/hour")(new()))
    app.add_url_rule("/a", "a", view)
    assert statuses(app, "/a /a /a") == [200, 200, 429]
    other = {"environ_base": {"REMOTE_ADDR": "192.0.2.1"}}
    assert statuses(app, "/a /a", **other) == [200, 429]


def test_costs_are_for_each_limit_alone(make: Make) -> None:
    app, limiter = make(application_limits=["9/hour"])
    app.add_url_rule("/a", "a", limiter.limit("4/hour", cost=lambda: 2)(new()))
    app.add_url_rule("/b", "b", new())
    assert statuses(app, "/a /a /a") == [200, 200, 429]
    # Six are left: the refused request counted as well.
    assert statuses(app, "/b " * 7) == [200] * 6 + [429]


def test_an_exemption_may_be_from_some_limits(make: Make) -> None:
    app, limiter = make(application_limits=["1/hour"], default_limits=["2/hour"])
    app.add_url_rule("/a", "a", limiter.exempt(flags=ExemptionScope.APPLICATION)(new()))
    assert statuses(app, "/a /a /a") == [200, 200, 429]


def test_a_nested_blueprint_has_its_parents_limits(make: Make) -> None:
    app, limiter = make()
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    inner.add_url_rule("/", "index", new())
    limiter.limit("1/hour")(outer)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert statuses(app, "/outer/inner/ /outer/inner/") == [200, 429]


def test_a_blueprint_may_refuse_its_parents_limits(make: Make) -> None:
    app, limiter = make()
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    inner.add_url_rule("/", "index", new())
    limiter.limit("1/hour")(outer)
    limiter.exempt(inner, flags=ExemptionScope.ANCESTORS)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert statuses(app, "/outer/inner/ /outer/inner/ /outer/inner/") == [200, 200, 200]


def test_a_limit_that_comes_late_holds(make: Make) -> None:
    app, limiter = make()
    view = limiter.limit("9/hour")(new())
    app.add_url_rule("/a", "a", view)
    assert statuses(app, "/a") == [200]
    limiter.limit("1/hour")(view)
    assert statuses(app, "/a /a") == [200, 429]


def test_a_function_s_limit_replaces_the_defaults_of_who_calls_it(make: Make) -> None:
    app, limiter = make(default_limits=["1/hour"])
    work = limiter.limit("3/hour")(new())
    app.add_url_rule("/a", "a", lambda: work())
    assert statuses(app, "/a /a /a /a") == [200, 200, 200, 429]


def test_a_block_raises_what_the_app_may_catch(make: Make) -> None:
    app, limiter = make()
    caught: list[RateLimitExceeded] = []

    @app.get("/a")
    def a() -> str:
        try:
            with limiter.limit("1/hour", error_message=lambda: "enough"):
                return "in"
        except RateLimitExceeded as error:
            caught.append(error)
            return "out"

    client = app.test_client()
    assert [client.get("/a").text for _ in range(2)] == ["in", "out"]
    assert (str(caught[0].limit.limit), caught[0].description) == ("1 per 1 hour", "enough")


def test_an_app_may_have_several_limiters(make: Make) -> None:
    app, first = make(key_prefix="one", default_limits=["3/hour"])
    uri = app.config[ConfigVars.STORAGE_URI]
    second = Limiter(get_remote_address, app=app, key_prefix="two", storage_uri=uri)
    app.add_url_rule("/a", "a", second.limit("2/hour")(new()))
    assert statuses(app, "/a /a /a /a") == [200, 200, 429, 429]
    assert first.limiter.get_window_stats(Limit("3/hour").items()[0], "127.0.0.1", "a")[1] == 0
    second.close()


def test_the_answer_to_a_breach_is_the_limits_own_before_the_limiters(make: Make) -> None:
    told: list[RequestLimit] = []

    def tell(limit: RequestLimit) -> Response:
        told.append(limit)
        return make_response("the limiter's", 429)

    app, limiter = make(on_breach=tell, key_prefix="shop")
    own = limiter.limit("1/hour", on_breach=lambda limit: make_response("the limit's", 429))
    app.add_url_rule("/a", "a", own(new()))
    client = app.test_client()
    assert [client.get("/a").text for _ in range(2)] == ["answer", "the limit's"]
    (limit,) = told
    assert limit.key == "LIMITER/shop/127.0.0.1/a/1/1/hour"
    assert (limit.breached, limit.shared, limit.remaining) == (True, False, 0)
    assert limit.reset_at > 0


def test_limits_on_refusals_of_all_kinds(make: Make) -> None:
    app, limiter = make(
        default_limits=[Limit("1/hour", meta_limits=[MetaLimit("2/day")])],
        application_limits=[ApplicationLimit("50/hour", scope="all")],
        on_meta_breach=lambda limit: make_response(f"{limit.limit}", 403),
    )
    app.add_url_rule("/a", "a", new())
    app.add_url_rule("/b", "b", limiter.limit("9/hour")(new()))
    assert statuses(app, "/a /a /a /a /b") == [200, 429, 429, 403, 200]


def test_the_current_limits_are_all_of_the_request(make: Make) -> None:
    app, limiter = make(application_limits=["9/hour"])
    app.add_url_rule("/a", "a", limiter.limit("5/minute;7/day")(new()))
    with app.test_client() as client:
        client.get("/a")
        found = limiter.current_limits
        texts = [(str(x.limit), x.remaining, x.breached) for x in found]
        shown = limiter.current_limit
        assert shown is not None
        assert (str(shown.limit), shown.remaining) == ("5 per 1 minute", 4)
    assert texts == [
        ("9 per 1 hour", 8, False),
        ("5 per 1 minute", 4, False),
        ("7 per 1 day", 6, False),
    ]


def test_a_limiter_may_be_switched_off_and_on(make: Make) -> None:
    app, limiter = make(default_limits=["1/hour"])
    app.add_url_rule("/a", "a", new())
    assert statuses(app, "/a /a") == [200, 429]
    limiter.enabled = False
    assert statuses(app, "/a /a") == [200, 200]
    limiter.enabled = True
    assert statuses(app, "/a") == [429]


def test_requests_are_learned_from(make: Make) -> None:
    app, _ = make(default_limits=["9/hour"])
    app.add_url_rule("/a", "a", new())
    statuses(app, "/a /a /none")
    assert state_of(app).limiter.flush() == 3


def test_an_operator_s_block_is_a_refusal(make: Make) -> None:
    app, limiter = make(default_limits=["9/hour"])
    app.add_url_rule("/a", "a", new())
    assert statuses(app, "/a") == [200]
    with app.app_context():
        limiter.block("127.0.0.1", who="a test")
    assert statuses(app, "/a") == [429]


def test_routes_are_described_with_their_limits(make: Make) -> None:
    app, limiter = make(default_limits=["9/hour", lambda: "8/hour"], application_limits=["50/day"])
    app.add_url_rule("/a", "a", limiter.limit("2/hour")(new()))
    app.add_url_rule("/b", "b", new())
    app.add_url_rule("/free", "free", limiter.exempt(new()))
    described = {x["route"]: x for x in state_of(app).described_routes(app)}
    assert described["/a"]["limits"] == ["50 per 1 day", "2 per 1 hour"]
    assert described["/b"]["limits"] == ["9 per 1 hour", "50 per 1 day", "by a function"]
    assert described["/free"]["exempt"]


def test_a_log_is_replayed_by_the_routes_limits(make: Make) -> None:
    app, limiter = make()
    app.add_url_rule("/a", "a", limiter.limit("2/hour")(new()))
    state = limiter.state()
    plan = plans_for_log(app, state)(state.limiter, "/a", "GET")
    assert plan is not None
    assert [limit.amount for scope, limit in plan.limits if not scope.standby] == [2]


def test_the_admin_api_is_not_limited(make: Make) -> None:
    app, _ = make({"IRL_ADMIN_TOKEN": "t" * 40}, default_limits=["1/hour"])
    headers = {"Authorization": "Bearer " + "t" * 40}
    assert statuses(app, "/admin/status /admin/status", headers=headers) == [200, 200]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [200, 200, 429]),
        ({"in_memory_fallback": ["1/hour"]}, [200, 200, 429]),
        ({"swallow_errors": True}, [200, 200, 200]),
    ],
)
def test_without_its_store_an_app_goes_on(arguments: dict[str, Any], expected: list[int]) -> None:
    app = Flask("site")
    app.config.update(IRL_BACKGROUND=False, IRL_STORE_TIMEOUT=0.05)
    limiter = Limiter(
        get_remote_address,
        app=app,
        storage_uri="redis://127.0.0.1:1",
        default_limits=["2/hour"],
        **arguments,
    )
    app.add_url_rule("/a", "a", new())
    try:
        assert statuses(app, "/a /a /a") == expected
    finally:
        limiter.close()


def test_while_the_store_is_out_other_limits_may_hold() -> None:
    app = Flask("site")
    app.config.update(IRL_BACKGROUND=False, IRL_STORE_TIMEOUT=0.05)
    limiter = Limiter(
        get_remote_address,
        app=app,
        storage_uri="redis://127.0.0.1:1",
        default_limits=["900/hour"],
        in_memory_fallback=["1/hour"],
    )
    app.add_url_rule("/a", "a", new())
    try:
        for _ in range(50):
            statuses(app, "/a")
            if limiter.state().limiter.breaker.is_open:
                break
        assert statuses(app, "/a /a")[-1] == 429
    finally:
        limiter.close()


def test_an_app_without_a_storage_is_warned() -> None:
    app = Flask("site")
    app.config["IRL_BACKGROUND"] = False
    with pytest.warns(UserWarning, match="no storage was explicitly specified"):
        Limiter(get_remote_address, app=app).close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"storage_uri": "memcached://cache:11211"}, "take redis:// or valkey://"),
        ({"storage_uri": "mongodb://user:pw@db/x"}, r"mongodb://user:\*\*\*@db/x.* MongoDB can't"),
        ({"storage_uri": "nothing://x"}, "scheme 'nothing' is not known"),
        ({"strategy": "leaky"}, "strategy is 'leaky'"),
        ({"default_limits": ["often"]}, "limit 'often' can't be read"),
        ({"application_limits": ["often"]}, "limit 'often' can't be read"),
        ({"meta_limits": ["often"]}, "limit 'often' can't be read"),
    ],
)
def test_wrong_settings_are_refused_at_start(arguments: dict[str, Any], message: str) -> None:
    settings = {"storage_uri": "memory://", **arguments}
    with pytest.raises(ConfigurationError, match=message) as raised:
        Limiter(get_remote_address, app=Flask("site"), **settings)
    assert isinstance(raised.value, LimitsConfigurationError)


def test_a_view_s_limit_that_can_t_be_read_is_logged(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app, limiter = make(default_limits=["1/hour"])
    app.add_url_rule("/a", "a", limiter.limit(lambda: "2 per moon")(new()))
    with caplog.at_level(logging.INFO, "flask-limiter"):
        assert statuses(app, "/a /a") == [200, 429]
    assert "failed to load ratelimit" in caplog.records[0].getMessage()


@pytest.mark.parametrize(
    "wrong",
    [{"limit_value": "99999999999/hour"}, {"limit_value": "1 per 9 year"}, {"limit_value": "x"}],
)
def test_a_limit_that_isn_t_allowed_takes_no_other_with_it(
    wrong: dict[str, Any], make: Make
) -> None:
    app, limiter = make(application_limits=["1/hour"])
    app.add_url_rule("/a", "a", limiter.limit(**wrong)(new()))
    assert statuses(app, "/a /a") == [200, 429]


@pytest.mark.parametrize("cost", [-5, "two", lambda: -5, lambda: "two", lambda: 1 / 0])
def test_a_cost_that_isn_t_allowed_lets_nobody_pass(cost: Any, make: Make) -> None:
    app, limiter = make(application_limits=["1/hour"])
    app.add_url_rule("/a", "a", limiter.limit("9/hour", cost=cost)(new()))
    assert statuses(app, "/a /a") == [200, 429]


def test_a_view_class_keeps_the_default_limits_of_its_other_methods(make: Make) -> None:
    app, limiter = make(default_limits=["2/hour"])

    class View(MethodView):
        @limiter.limit("1/hour")
        def get(self) -> str:
            return "got"

        def post(self) -> str:
            return "posted"

    app.add_url_rule("/a", view_func=View.as_view("a"))
    client = app.test_client()
    assert [client.get("/a").status_code for _ in range(2)] == [200, 429]
    assert [client.post("/a").status_code for _ in range(3)] == [200, 200, 429]


def test_commands_show_and_clear(make: Make) -> None:
    app, limiter = make(application_limits=["50/hour"], meta_limits=["3/day"])
    app.add_url_rule("/a", "a", limiter.limit("2/hour")(new()))
    app.add_url_rule("/free", "free", limiter.exempt(new()))
    statuses(app, "/a /a /a")
    run = app.test_cli_runner().invoke
    assert "RATELIMIT_APPLICATION" in run(cli, ["config"]).output
    listed = run(cli, ["limits", "--key", "127.0.0.1"]).output
    assert "└── 2 per 1 hour: Fail (0 out of 2 remaining)" in listed
    assert "└── 50 per 1 hour: Pass (47 out of 50 remaining)" in listed
    cleared = run(cli, ["clear", "--key", "127.0.0.1", "-y"])
    assert "2 per 1 hour: Cleared" in cleared.output, cleared.exception
    assert statuses(app, "/a") == [200]


def test_the_address_is_a_network_s_where_it_is_ipv6() -> None:
    app = Flask("site")
    environ = {"REMOTE_ADDR": "2001:db8::1"}
    with app.test_request_context(environ_base=environ):
        assert get_remote_address() == "2001:db8::1"
    assert get_remote_address.stored({"REMOTE_ADDR": "2001:db8::2"}) == "2001:db8::/64"
    assert get_remote_address.stored({}) == "127.0.0.1"


def _named() -> str:
    return request.args["id"]


@pytest.mark.parametrize("limits", [["1/minute"], [lambda: "1/minute"]], ids=["fixed", "function"])
def test_requests_are_counted_by_their_own_names(make: Make, limits: Any) -> None:
    app, _ = make(default_limits=limits, request_identifier=_named)
    app.add_url_rule("/", "index", lambda: "ok")
    client = app.test_client()
    answers = [client.get(f"/?id={name}").status_code for name in (1, 1, 2, 2, 3)]
    assert answers == [200, 429, 200, 429, 200]


@pytest.mark.parametrize("limits", [["1/minute"], [lambda: "1/minute"]], ids=["fixed", "function"])
def test_a_request_that_can_t_be_named_is_limited_by_its_endpoint(make: Make, limits: Any) -> None:
    app, _ = make(default_limits=limits, request_identifier=_named)
    app.add_url_rule("/", "index", lambda: "ok")
    client = app.test_client()
    assert [client.get("/").status_code for _ in range(3)] == [200, 429, 429]


def test_a_refusal_is_logged_with_its_client_in_one_line(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app, _ = make(default_limits=["1/minute"], request_identifier=_named)
    app.add_url_rule("/", "index", lambda: "ok")
    client = app.test_client()
    with caplog.at_level(logging.INFO, "flask-limiter"):
        for _ in range(2):
            client.get("/?id=a%0Aforged")
    [message] = [x.getMessage() for x in caplog.records if x.name == "flask-limiter"]
    assert (
        message
        == r"ratelimit 1 per 1 minute (127.0.0.1) exceeded at endpoint: a\nforged/1/1/minute"
    )


def _forbid(limit: RequestLimit) -> Response:
    abort(403)


@pytest.mark.parametrize(
    ("limits", "is_ruled"),
    [
        pytest.param({"default_limits": ["500/minute"]}, False, id="one limit"),
        pytest.param(
            {"default_limits": ["500/minute"], "default_limits_cost": lambda: 1},
            False,
            id="a cost by a function, of one",
        ),
        pytest.param(
            {"default_limits": ["500/minute"], "default_limits_cost": 2}, True, id="a cost of two"
        ),
        pytest.param({"default_limits": ["500/minute", "900/hour"]}, True, id="two limits"),
    ],
)
def test_one_limit_a_route_is_decided_on_as_a_native_one(
    make: Make, limits: dict[str, Any], is_ruled: bool
) -> None:
    app, _ = make(**limits)
    app.add_url_rule("/", "index", lambda: "ok")
    asked: list[Plan] = []
    limiter = state_of(app).limiter
    decide = limiter.decide
    limiter.decide = lambda plan, *rest: asked.append(plan) or decide(plan, *rest)  # type: ignore[func-returns-value]
    app.test_client().get("/")
    assert [(plan.ruled, plan.leasable) for plan in asked] == [(is_ruled, not is_ruled)]


def test_who_is_admitted_again_is_counted_in_all_limits_once(make: Make) -> None:
    app, limiter = make(application_limits=["2/hour"])
    app.before_request(lambda: None)
    app.add_url_rule("/a", "a", new())
    app.add_url_rule("/b", "b", limiter.limit(lambda: "1/hour")(new()))
    assert statuses(app, "/a /a /a") == [200, 200, 429]
    known = state_of(app).limiter.refusals.known
    refusals = dict(known)
    with app.app_context():
        limiter.reset()
    # As if the window had ended: the store admits whom this process knows as refused.
    known.update({key: refusal._replace(until=0.0) for key, refusal in refusals.items()})
    assert statuses(app, "/b /b /a /a") == [200, 429, 429, 429]


def test_a_breach_may_abort_also_where_a_hook_has_answered(make: Make) -> None:
    app, _ = make(
        key_func=lambda: request.headers.get("X-Client", "one"),
        default_limits=["1/minute"],
        on_breach=_forbid,
    )
    app.before_request(lambda: "cached")
    app.add_url_rule("/", "index", lambda: "ok")
    client = app.test_client()
    assert [client.get("/").status_code for _ in range(3)] == [200, 403, 403]
