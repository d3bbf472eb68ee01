"""Whatever of a limit needs the app's hooks or login decorators is decided after them."""

from __future__ import annotations

import functools
import logging
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, g, request
from flask.typing import ResponseReturnValue
from flask.views import MethodView

from flask_irl import ConfigurationError, IntelligentLimiter, api_key
from flask_irl.web.state import state_of
from tests.recorder import Recorder
from tests.web.sites import sites_of


class Site:
    """An app whose limiter comes first, and whose login is a hook or decorator after it."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.listener = Recorder()
        self.asked: list[str] = []
        self.limiter = IntelligentLimiter(
            self.app,
            **{
                "background": False,
                "store_timeout": 5.0,
                "listener": self.listener,
                **options,
            },
        )

    def login(self) -> None:
        """Who asks, and what their plan is; anonymous requests are turned away."""
        self.asked.append(request.path)
        if "User" not in request.headers:
            abort(401)
        g.user = request.headers["User"]
        g.plan = types.SimpleNamespace(limit="2/minute")

    def required(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """A login decorator."""

        @functools.wraps(view)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            self.login()
            return self.app.ensure_sync(view)(*arguments, **named)

        return wrapper

    def ask(self, user: str | None = None, path: str = "/x", **more: Any) -> int:
        headers = {} if user is None else {"User": user}
        return self.app.test_client().get(path, headers=headers, **more).status_code

    def asks(self, count: int, user: str | None = None, path: str = "/x") -> list[int]:
        return [self.ask(user, path) for _ in range(count)]

    def store_calls(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """A list with an entry for every call of the store from now on."""
        store = state_of(self.app).limiter.store
        calls: list[str] = []
        hit = store.hit

        def counted(*arguments: Any) -> Any:
            calls.append(request.path)
            return hit(*arguments)

        monkeypatch.setattr(store, "hit", counted)
        return calls


Build = Callable[..., Site]


@pytest.fixture
def build() -> Iterator[Build]:
    """Make sites; their limiters are closed when the test ends."""
    yield from sites_of(Site)


def who() -> str:
    user: str = g.user
    return user


# Where the login is a hook


def test_a_limit_by_the_users_plan_holds(build: Build) -> None:
    site = build()
    site.app.before_request(site.login)
    site.app.add_url_rule("/x", "x", site.limiter.limit(lambda: g.plan.limit)(lambda: "x"))
    assert site.asks(3, "ann") == [200, 200, 429]
    assert site.listener.swallowed_at == []


def test_each_user_has_a_limit_of_their_own(build: Build, uri: str) -> None:
    site = build(key_func=who, base_limit=2, storage_uri=uri)
    site.app.before_request(site.login)
    site.app.add_url_rule("/x", "x", lambda: "x")
    assert site.asks(3, "ann") == [200, 200, 429]
    assert site.asks(3, "bob") == [200, 200, 429]
    assert site.listener.swallowed_at == []


def test_a_hook_of_the_blueprints_is_waited_for(build: Build) -> None:
    site = build()
    shop = Blueprint("shop", __name__)
    shop.before_request(site.login)
    shop.add_url_rule("/x", "x", lambda: "x")
    site.limiter.limit(lambda: g.plan.limit)(shop)
    site.app.register_blueprint(shop)
    assert site.asks(3, "ann") == [200, 200, 429]


@pytest.mark.parametrize(
    ("limit", "ann", "bob"),
    [
        pytest.param(
            {"limit": lambda: "1/hour" if g.user == "ann" else "2/hour"}, 1, 1, id="limit"
        ),
        pytest.param({"limit": "2/hour", "key_func": who}, 2, 2, id="key_func"),
        pytest.param(
            {"limit": "4/hour", "cost": lambda: 2 if g.user == "ann" else 1}, 2, 0, id="cost"
        ),
        pytest.param(
            {"limit": "1/hour", "exempt_when": lambda: g.user == "ann"}, 3, 1, id="exempt"
        ),
    ],
)
def test_each_function_of_a_limit_is_asked_after_the_hooks(
    build: Build, limit: dict[str, Any], ann: int, bob: int
) -> None:
    site = build()
    site.app.before_request(site.login)
    site.app.add_url_rule("/x", "x", site.limiter.limit(**limit)(lambda: "x"))
    assert site.asks(3, "ann").count(200) == ann
    assert site.asks(3, "bob").count(200) == bob
    assert site.listener.swallowed_at == []


def test_a_shared_limits_scope_is_asked_after_the_hooks(build: Build) -> None:
    site = build()
    site.app.before_request(site.login)
    limit = site.limiter.shared_limit("2/hour", scope=lambda endpoint: f"of {g.user}")
    site.app.add_url_rule("/x", "x", limit(lambda: "x"))
    site.app.add_url_rule("/y", "y", limit(lambda: "y"))
    assert [site.ask("ann", path) for path in ("/x", "/y", "/x")] == [200, 200, 429]
    assert site.asks(3, "bob") == [200, 200, 429]


def test_a_request_filter_is_asked_after_the_hooks(build: Build) -> None:
    site = build(base_limit=2)
    site.limiter.request_filter(lambda: bool(g.user == "ann"))
    site.app.before_request(site.login)
    site.app.add_url_rule("/x", "x", lambda: "x")
    assert site.asks(4, "ann") == [200] * 4
    assert site.asks(3, "bob") == [200, 200, 429]
    assert site.listener.swallowed_at == []


def test_an_api_keys_check_is_made_after_the_hooks(build: Build) -> None:
    site = build(key_func=api_key("User", verify=lambda key: bool(key == g.user)), base_limit=2)
    site.app.before_request(site.login)
    site.app.add_url_rule("/x", "x", lambda: "x")
    assert site.asks(3, "ann") == [200, 200, 429]
    assert site.asks(3, "bob") == [200, 200, 429]
    assert site.listener.swallowed_at == []


def test_a_request_that_no_route_matches_is_its_users(build: Build) -> None:
    site = build(key_func=who, base_limit=2)
    site.app.before_request(site.login)
    assert site.asks(3, "ann") == [404, 404, 429]
    assert site.asks(1, "bob") == [404]


def test_lists_name_the_users_that_the_hooks_know(build: Build) -> None:
    site = build(key_func=who, base_limit=1, allow=["ann"], deny=["eve"])
    site.app.before_request(site.login)
    site.app.add_url_rule("/x", "x", lambda: "x")
    assert site.asks(3, "ann") == [200] * 3
    assert site.asks(2, "eve") == [429] * 2
    assert site.asks(2, "bob") == [200, 429]


def test_all_limits_are_asked_about_in_one_call_and_a_refusal_burns_none(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build()
    site.app.before_request(site.login)
    view = site.limiter.limit("50/hour")(site.limiter.limit(lambda: g.plan.limit)(lambda: "x"))
    site.app.add_url_rule("/x", "x", view)
    calls = site.store_calls(monkeypatch)
    assert site.asks(5, "ann") == [200, 200, 429, 429, 429]
    assert calls == ["/x"] * 5
    response = site.app.test_client().get("/nothing", headers={"User": "ann"})
    assert response.headers["X-RateLimit-Remaining"] == "97"


def test_hooks_after_the_view_see_a_late_refusal(build: Build) -> None:
    site = build(key_func=who, base_limit=1)
    site.app.before_request(site.login)

    @site.app.after_request
    def allow_origin(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    site.app.add_url_rule("/x", "x", lambda: "x")
    site.ask("ann")
    response = site.app.test_client().get("/x", headers={"User": "ann"})
    assert response.status_code == 429
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["X-RateLimit-Remaining"] == "0"
    assert int(response.headers["Retry-After"]) >= 1


def test_the_apps_own_handler_of_429_answers_late_refusals(build: Build) -> None:
    site = build(key_func=who, base_limit=1)
    site.app.before_request(site.login)

    @site.app.errorhandler(429)
    def refuse(error: Exception) -> tuple[str, int]:
        return "slow down", 429

    site.app.add_url_rule("/x", "x", lambda: "x")
    site.ask("ann")
    assert site.app.test_client().get("/x", headers={"User": "ann"}).text == "slow down"


def test_an_app_that_needs_no_hooks_has_none_of_its_calls_wrapped(build: Build) -> None:
    site = build()
    site.app.add_url_rule("/x", "x", site.limiter.limit("2/minute")(lambda: "x"))
    assert site.asks(3) == [200, 200, 429]
    assert "dispatch_request" not in vars(site.app)


# What a hook or decorator answers by itself


def turn_away(site: Site) -> ResponseReturnValue | None:
    """A login hook that returns its answer."""
    site.asked.append(request.path)
    return None if "User" in request.headers else ("who are you?", 401)


@pytest.mark.parametrize("returns", [True, False], ids=["returns", "aborts"])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="a dynamic limit"),
        pytest.param({"key_func": who}, id="a key function"),
    ],
)
def test_failing_a_login_hook_is_counted_and_refused_in_the_end(
    build: Build, uri: str, options: dict[str, Any], returns: bool
) -> None:
    site = build(base_limit=2, storage_uri=uri, **options)
    site.app.before_request(functools.partial(turn_away, site) if returns else site.login)
    view = site.limiter.limit(lambda: g.plan.limit)(lambda: "x")
    site.app.add_url_rule("/x", "x", view)
    assert site.asks(4) == [401, 401, 429, 429]
    assert site.listener.outcomes == ["allowed", "allowed", "limited", "limited"]
    # That a hook has kept something from the limit's functions is nobody's error.
    assert site.listener.swallowed_at == []


def test_who_has_failed_a_login_too_often_does_not_reach_its_hook(build: Build, uri: str) -> None:
    site = build(base_limit=2, storage_uri=uri)
    site.app.before_request(site.login)
    site.app.add_url_rule("/x", "x", site.limiter.limit(lambda: g.plan.limit)(lambda: "x"))
    assert site.asks(3) == [401, 401, 429]
    site.asked.clear()
    assert site.asks(2) == [429, 429]
    assert site.asked == []


def test_who_is_admitted_again_is_counted_once(
    build: Build, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(base_limit=2, storage_uri=uri)
    site.app.before_request(site.login)
    site.app.add_url_rule("/x", "x", site.limiter.limit(lambda: g.plan.limit)(lambda: "x"))
    assert site.asks(3) == [401, 401, 429]
    limiter = state_of(site.app).limiter
    refusals = dict(limiter.refusals.known)
    with site.app.app_context():
        site.limiter.reset("127.0.0.1")
    # As if the window had ended: the store admits whom this process knows as refused.
    limiter.refusals.known.update(
        {key: refusal._replace(until=0.0) for key, refusal in refusals.items()}
    )
    headers = [site.app.test_client().get("/x", headers={"User": "ann"}).headers for _ in range(2)]
    assert [h["X-RateLimit-Remaining"] for h in headers] == ["1", "0"]
    assert site.asks(1, "ann") == [429]


def test_a_filter_that_a_hook_keeps_from_its_user_lets_nobody_pass(build: Build) -> None:
    site = build(base_limit=2)
    site.limiter.request_filter(lambda: bool(g.user == "ann"))
    site.app.before_request(site.login)
    assert site.asks(3) == [401, 401, 429]
    assert site.listener.swallowed_at == []


# Where the login is a decorator


def test_a_limit_below_a_login_decorator_knows_who_is_logged_in(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build()
    view = site.required(site.limiter.limit("2/hour", key_func=who)(lambda: "x"))
    site.app.add_url_rule("/x", "x", view)
    calls = site.store_calls(monkeypatch)
    assert site.asks(3, "ann") == [200, 200, 429]
    assert site.asks(3, "bob") == [200, 200, 429]
    assert calls == ["/x"] * 6
    assert site.listener.swallowed_at == []


def test_a_fixed_limit_below_a_login_decorator_counts_the_apps_key(build: Build) -> None:
    site = build(key_func=who)
    view = site.required(site.limiter.limit("2/hour")(lambda: "x"))
    site.app.add_url_rule("/x", "x", view)
    assert site.asks(3, "ann") == [200, 200, 429]
    assert site.asks(3, "bob") == [200, 200, 429]
    assert site.listener.swallowed_at == []


def test_limits_around_a_login_decorator_hold_in_one_call(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build()
    inner = site.required(site.limiter.limit("2/hour", key_func=who)(lambda: "x"))
    site.app.add_url_rule("/x", "x", site.limiter.limit("5/hour")(inner))
    calls = site.store_calls(monkeypatch)
    assert site.asks(3, "ann") == [200, 200, 429]
    assert site.asks(3, "bob") == [200, 200, 429]
    assert site.asks(2, "cid") == [200, 429]
    assert calls == ["/x"] * 8


def test_a_limit_above_a_login_decorator_is_decided_before_it(build: Build) -> None:
    site = build()
    view = site.limiter.limit("9/hour", cost=lambda: 4)(site.required(lambda: "x"))
    site.app.add_url_rule("/x", "x", view)
    assert site.asks(3, "ann") == [200, 200, 429]
    assert site.asked == ["/x"] * 2


def test_failing_a_login_decorator_is_counted_and_refused_in_the_end(build: Build) -> None:
    site = build(base_limit=2)
    view = site.required(site.limiter.limit("9/hour", key_func=who)(lambda: "x"))
    site.app.add_url_rule("/x", "x", view)
    assert site.asks(4) == [401, 401, 429, 429]
    assert site.listener.swallowed_at == []


@pytest.mark.parametrize("method_view", [True, False])
def test_failing_a_login_below_a_dynamic_limit_counts_under_it(
    build: Build, method_view: bool
) -> None:
    site = build()
    attempts = site.limiter.limit(lambda: "2/hour")
    by_user = site.limiter.limit(lambda: g.plan.limit, key_func=who)

    class Page(MethodView):
        @attempts
        @site.required
        @by_user
        def get(self) -> str:
            return "x"

    view = Page.as_view("x") if method_view else attempts(site.required(by_user(lambda: "x")))
    site.app.add_url_rule("/x", "x", view)
    assert site.asks(4) == [401, 401, 429, 429]
    assert site.listener.swallowed_at == []
    assert site.asks(1, "ann") == [429]


def test_an_async_view_below_a_login_decorator_is_limited(build: Build) -> None:
    site = build()

    @site.app.get("/x")
    @site.required
    @site.limiter.limit("1/hour", key_func=who)
    async def view() -> str:
        return "x"

    assert site.asks(2, "ann") == [200, 429]


# What fails


def broken() -> str:
    raise LookupError("no plan")


def test_where_a_limits_function_fails_its_default_holds_and_the_log_names_it(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    site = build()
    site.app.add_url_rule("/x", "x", site.limiter.limit(broken, default="2/hour")(lambda: "x"))
    with caplog.at_level(logging.WARNING, logger="flask_irl"):
        assert site.asks(3) == [200, 200, 429]
    assert [r.getMessage() for r in caplog.records if f"{__name__}.broken" in r.getMessage()]


def test_a_default_does_not_hold_where_the_function_answers(build: Build) -> None:
    site = build()
    said: list[str] = ["3/hour"]
    limit = site.limiter.limit(lambda: said[0], default="1/hour")
    site.app.add_url_rule("/x", "x", limit(lambda: "x"))
    assert site.asks(4) == [200, 200, 200, 429]


def test_without_a_default_the_base_limit_holds(build: Build) -> None:
    site = build(base_limit=2)
    site.app.add_url_rule("/x", "x", site.limiter.limit(broken)(lambda: "x"))
    assert site.asks(3) == [200, 200, 429]


def test_a_shared_limit_whose_scope_fails_still_holds(build: Build) -> None:
    site = build()

    def scope(endpoint: str) -> str:
        raise LookupError("no scope")

    limit = site.limiter.shared_limit("2/hour", scope=scope)
    site.app.add_url_rule("/x", "x", limit(lambda: "x"))
    assert site.asks(3) == [200, 200, 429]


@pytest.mark.parametrize(
    ("limit", "default"), [("2/hour", "1/hour"), (broken, "often"), (broken, 7)]
)
def test_a_default_that_makes_no_sense_is_refused(build: Build, limit: Any, default: Any) -> None:
    with pytest.raises(ConfigurationError, match=repr(default)):
        build().limiter.limit(limit, default=default)


def test_an_error_of_the_limiters_own_lets_the_request_pass(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build(key_func=lambda: "ann")
    site.app.add_url_rule("/x", "x", lambda: "x")

    def fail(*arguments: object, **named: object) -> None:
        raise MemoryError("our own fault")

    monkeypatch.setattr(state_of(site.app).limiter, "decide", fail)
    assert site.ask() == 200
    assert site.listener.swallowed_at == ["before_request"]
