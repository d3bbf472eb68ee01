"""Test who is taken for a guesser of passwords: failed logins, and what merely looks like them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from apiflask import APIFlask, Schema
from apiflask.fields import String
from apiflask.validators import Length
from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue
from flask.views import MethodView

from flask_irl import ConfigurationError, IntelligentLimiter
from flask_irl.limiter.open import open_limiter
from flask_irl.replay.formats import LogEntry
from flask_irl.replay.routes import RouteFolder
from flask_irl.replay.runner import Replay
from flask_irl.web.replay_plans import logins_for_log, plans_for_log
from flask_irl.web.state import state_of
from tests.conftest import Clock

TRIES = 20
FULL = "100"


class Site:
    """An app under a clock moved by hand, and a client that asks it, each answer observed."""

    def __init__(self, clock: Clock, app: Flask | None = None, **options: Any) -> None:
        self.clock = clock
        self.app = Flask("site") if app is None else app
        given: dict[str, Any] = {"background": False, "storage_uri": "memory://", "admin": False}
        self.limiter = IntelligentLimiter(self.app, **given | options)

    def ask(self, path: str, method: str = "POST", after: float = 1.0, **more: Any) -> int:
        """Ask once, some seconds after the last time."""
        self.clock.advance(after)
        answer = self.app.test_client().open(path, method=method, **more)
        self.limit = answer.headers["X-RateLimit-Limit"]
        with self.app.app_context():
            self.limiter.flush()
        return answer.status_code

    def is_flagged(self, path: str, method: str = "POST", **more: Any) -> bool:
        """Tell whether a client that asks for a path, and reads between, is flagged for it."""
        for _ in range(TRIES):
            self.ask(path, method, **more)
            self.ask("/", "GET")
        return self.limit != FULL


Make = Callable[..., Site]


@pytest.fixture
def make(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr("flask_irl.web.state.open_limiter", partial(open_limiter, clock=clock))

    def make(app: Flask | None = None, **options: Any) -> Site:
        site = Site(clock, app, **options)
        site.app.add_url_rule("/", "index", lambda: "hello")
        return site

    return make


class Account(Schema):
    name = String(required=True, validate=Length(min=18))
    address = String(required=True, validate=Length(min=24))


def accounts() -> APIFlask:
    app = APIFlask("accounts")

    @app.post("/accounts/check")
    @app.input(Account)
    def check(json_data: dict[str, str]) -> dict[str, str]:
        return json_data

    @app.post("/login")
    @app.input(Account)
    def login(json_data: dict[str, str]) -> dict[str, str]:
        return json_data

    return app


# People and programs that are told "no" by design


def test_a_form_that_validates_at_each_key_press_may_be_filled_in(make: Make) -> None:
    site = make(accounts())
    name, address = "margarethe_schmidt", "12 Rue des Trois Freres, Paris"
    states = [{"name": name[:n], "address": ""} for n in range(1, len(name) + 1)]
    states += [{"name": name, "address": address[:n]} for n in range(1, len(address) + 1)]
    statuses = [site.ask("/accounts/check", after=0.2, json=state) for state in states]
    assert statuses == [422] * (len(name) + 23) + [200] * 7
    assert site.limit == FULL


@pytest.mark.parametrize("status", [400, 405, 409, 412, 413, 415, 422, 423, 428])
def test_forty_writes_in_vain_cost_nothing(make: Make, status: int) -> None:
    site = make()
    site.app.add_url_rule("/things/1", "put", lambda: ("no", status), methods=["PUT"])
    assert {site.ask("/things/1", "PUT", after=0.25) for _ in range(40)} == {status}
    assert site.limit == FULL


def test_a_page_may_send_all_its_calls_again_when_its_session_has_ended(make: Make) -> None:
    site = make()
    valid: set[str] = set()

    def call() -> ResponseReturnValue:
        return ("", 204) if request.headers["Authorization"] in valid else ("expired", 401)

    site.app.add_url_rule("/graphql", "call", call, methods=["POST"])
    for token in ("old", "new"):
        for _ in range(30):
            site.ask("/graphql", after=0.01, headers={"Authorization": token})
        valid.add("new")
    assert site.limit == FULL


# Guessers


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", ["/login", "/things/1"])
def test_a_client_that_is_denied_again_and_again_is_flagged(
    make: Make, path: str, status: int
) -> None:
    site = make()
    site.app.add_url_rule(path, "put", lambda: ("no", status), methods=["POST"])
    assert site.is_flagged(path)


def test_a_guesser_at_a_login_that_answers_422_is_flagged(make: Make) -> None:
    assert make(accounts()).is_flagged("/login", json={})


# Logins whose names don't tell


def refuse() -> ResponseReturnValue:
    return "wrong password", 400


@pytest.mark.parametrize(
    "pattern", ["/enter/<tenant>", "/enter/*", "endpoint:door", "endpoint:d*r"]
)
def test_a_login_is_named_by_its_rule_or_endpoint(make: Make, pattern: str) -> None:
    for routes, flagged in (((), False), ((pattern,), True), (("/enter", "endpoint:d"), False)):
        site = make(login_routes=routes)
        site.app.add_url_rule("/enter/<tenant>", "door", lambda tenant: refuse(), methods=["POST"])
        assert site.is_flagged("/enter/acme") is flagged


def test_a_route_that_only_sounds_like_a_login_can_be_named(make: Make) -> None:
    for routes, flagged in (((), True), (("!/sessions",), False)):
        site = make(login_routes=routes)
        # Of a conference.
        site.app.add_url_rule("/sessions", "sessions", refuse, methods=["POST"])
        assert site.is_flagged("/sessions") is flagged


def decorated_above(site: Site) -> None:
    site.limiter.login(site.app.post("/enter")(refusing()))


def decorated_above_a_limit(site: Site) -> None:
    view = site.app.post("/enter")(refusing())
    site.limiter.login(site.limiter.limit("1000/minute")(view))


def decorated_below_a_limit(site: Site) -> None:
    site.app.post("/enter")(site.limiter.limit("1000/minute")(site.limiter.login(refusing())))


def decorated_view_class(site: Site) -> None:
    @site.limiter.login
    class Enter(MethodView):
        def post(self) -> ResponseReturnValue:
            return refuse()

    site.app.add_url_rule("/enter", view_func=Enter.as_view("enter"))


def decorated_method(site: Site) -> None:
    class Enter(MethodView):
        @site.limiter.login
        def post(self) -> ResponseReturnValue:
            return refuse()

    site.app.add_url_rule("/enter", view_func=Enter.as_view("enter"))


def refusing() -> Callable[[], ResponseReturnValue]:
    """Make a view of its own, since marks stay on functions."""

    def enter() -> ResponseReturnValue:
        return refuse()

    return enter


@pytest.mark.parametrize(
    "add",
    [
        decorated_above,
        decorated_above_a_limit,
        decorated_below_a_limit,
        decorated_view_class,
        decorated_method,
    ],
)
def test_a_login_is_marked_by_a_decorator(make: Make, add: Callable[[Site], None]) -> None:
    site = make()
    add(site)
    assert site.is_flagged("/enter")


def test_a_mark_is_of_one_extension(make: Make) -> None:
    site, other = make(), IntelligentLimiter()
    site.app.add_url_rule("/enter", "enter", other.login(refusing()), methods=["POST"])
    assert not site.is_flagged("/enter")


@pytest.mark.parametrize("target", [None, 5, "view", Flask("a"), int])
def test_what_is_no_view_is_no_login(make: Make, target: Any) -> None:
    if isinstance(target, Flask):
        target = target.handle_exception  # A bound method takes no marks.
    with pytest.raises(ConfigurationError, match=r"login can't decorate .*: give a function or"):
        make().limiter.login(target)


@pytest.mark.parametrize("answer", ["form again", "redirect"])
def test_the_app_says_that_a_login_failed(make: Make, answer: str) -> None:
    for says, flagged in ((False, False), (True, True)):
        site = make()

        def enter(site: Site = site, says: bool = says) -> ResponseReturnValue:
            if says:
                site.limiter.failed_login()
            return "<form>" if answer == "form again" else redirect("/")

        site.app.add_url_rule("/enter", "enter", enter, methods=["GET", "POST"])
        assert site.is_flagged("/enter") is flagged


def test_a_failed_login_is_no_error_where_nothing_is_limited(make: Make) -> None:
    site = make()
    site.limiter.failed_login()
    with site.app.test_request_context("/"):
        site.limiter.failed_login()
    with Flask("other").test_request_context("/"):
        site.limiter.failed_login()


def test_a_pattern_that_no_rule_fits_is_logged_once(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    site = make(login_routes=["/", "!endpoint:index", "/entr", "!/nothing"])
    for _ in range(2):
        site.ask("/", "GET")
        site.ask("/", "HEAD")
    assert [r.getMessage() for r in caplog.records] == [
        "pattern_matches_nothing option=IRL_LOGIN_ROUTES pattern=/entr",
        "pattern_matches_nothing option=IRL_LOGIN_ROUTES pattern=/nothing",
    ]


@pytest.mark.parametrize("patterns", ["enter", "endpoint:", "!", "!enter", ["/a", "b"], 5, [5]])
def test_a_pattern_that_is_none_is_refused_at_start(patterns: Any) -> None:
    app = Flask("site")
    app.config["IRL_LOGIN_ROUTES"] = patterns
    with pytest.raises(ConfigurationError, match=r"^IRL_LOGIN_ROUTES is .*: give (paths|a list)"):
        IntelligentLimiter(app)


# Logs


@pytest.mark.parametrize(
    ("path", "flagged"),
    [("/login", True), ("/enter", True), ("/old/door", True), ("/sessions", False), ("/x", False)],
)
def test_a_replay_knows_the_logins_of_the_app_and_of_paths(
    make: Make, path: str, flagged: bool
) -> None:
    site = make(login_routes=["/old/*", "!/sessions"])
    decorated_above(site)
    for name in ("login", "sessions", "x"):
        site.app.add_url_rule(f"/{name}", name, refuse, methods=["POST"])
    state = state_of(site.app)
    run = Replay(
        state.options,
        route=RouteFolder(site.app.url_map).route,
        plan=plans_for_log(site.app, state),
        login=logins_for_log(site.app, state),
    )
    for second in range(TRIES):
        run.one(LogEntry(1.7e9 + 2 * second, "a", "GET", "/", 200, 100, "", ""))
        run.one(LogEntry(1.7e9 + 2 * second + 1, "a", "POST", path, 400, 100, "", ""))
    report = run.report()
    run.close()
    assert (report.flagged > 0) is flagged
