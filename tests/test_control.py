"""Test the calls by which an app's own code asks about clients and steers them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, request, session
from werkzeug.local import LocalProxy

from flask_irl import ConfigurationError, IntelligentLimiter, IrlError, StoreError
from flask_irl.operations import Operations
from flask_irl.operations.results import AuditEntry
from flask_irl.web.state import state_of

CLIENT = "127.0.0.1"
Make = Callable[..., tuple[Flask, IntelligentLimiter]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make apps with a route ``/``; their limiters are closed when the test ends."""
    limiters: list[IntelligentLimiter] = []

    def build(uri: str = "memory://", **options: Any) -> tuple[Flask, IntelligentLimiter]:
        app = Flask("site")
        app.secret_key = "not secret"
        given = {"admin": False, "background": False, "store_timeout": 5.0, **options}
        limiter = IntelligentLimiter(app, storage_uri=uri, **given)
        limiters.append(limiter)
        app.add_url_rule("/", "index", lambda: "hello")
        return app, limiter

    yield build
    for limiter in limiters:
        limiter.close()


def codes(app: Flask, count: int = 1, path: str = "/", **arguments: Any) -> list[int]:
    client = app.test_client()
    return [client.get(path, **arguments).status_code for _ in range(count)]


def audited(app: Flask) -> list[AuditEntry]:
    """List the changes of an app's audit log, newest first."""
    return Operations(state_of(app).limiter).audit.entries()[0]


# Overrides


def test_a_client_is_blocked_and_cleared(make: Make, uri: str) -> None:
    app, limiter = make(uri)
    with app.app_context():
        given = limiter.block(CLIENT, seconds=60, reason="Scrapes.", who="the shop")
        assert (given["client"], given["kind"], given["reason"]) == (CLIENT, "block", "Scrapes.")
    assert codes(app) == [429]
    [entry] = audited(app)
    assert (entry["who"], entry["action"], entry["target"]) == ("the shop", "override", CLIENT)
    assert entry["reason"] == "Scrapes."
    with app.app_context():
        assert limiter.clear(CLIENT)
        assert not limiter.clear(CLIENT)
    assert codes(app) == [200]


def test_a_client_is_allowed_everything_for_a_time(make: Make, uri: str) -> None:
    app, limiter = make(uri, base_limit=1)
    assert codes(app, 2) == [200, 429]
    with app.app_context():
        limiter.allow(CLIENT)
    assert codes(app, 3) == [200] * 3


def test_a_client_gets_a_limit_of_its_own(make: Make, uri: str) -> None:
    app, limiter = make(uri)
    with app.app_context():
        assert limiter.override(CLIENT, 2)["amount"] == 2
    assert codes(app, 3) == [200, 200, 429]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda limiter: limiter.block(""), "client is ''"),
        (lambda limiter: limiter.block(None), "client is None"),
        (lambda limiter: limiter.block(0), "client is 0"),
        (lambda limiter: limiter.block(object()), "client is <object"),
        (lambda limiter: limiter.client(None), "client is None"),
        (lambda limiter: limiter.block("c", seconds=0), "seconds is 0"),
        (lambda limiter: limiter.block("c", seconds="60"), "seconds is '60'"),
        (lambda limiter: limiter.block("c", seconds=True), "seconds is True"),
        (lambda limiter: limiter.block("c", reason="a\nb"), "reason is 'a.nb'"),
        (lambda limiter: limiter.block("c", reason=5), "reason is 5"),
        (lambda limiter: limiter.block("c", reason="x" * 501), "reason is too long"),
        (lambda limiter: limiter.block("c", who="\x1b[31m"), "who is "),
        (lambda limiter: limiter.clear("c", who="x" * 101), "who is too long"),
        (lambda limiter: limiter.override("c", 0), "amount is 0"),
        (lambda limiter: limiter.override("c", "5"), "amount is '5'"),
        (lambda limiter: limiter.feedback("c", "nice"), "verdict is 'nice'"),
        (lambda limiter: limiter.clients(order="worst"), "order is 'worst'"),
        (lambda limiter: limiter.clients(limit=0), "limit is 0"),
        (lambda limiter: limiter.clients(offset=-1), "offset is -1"),
        (lambda limiter: limiter.clients(step=1.5), "step is 1.5"),
    ],
)
def test_an_argument_that_is_not_allowed_is_named_and_changes_nothing(
    make: Make, call: Callable[[IntelligentLimiter], object], named: str
) -> None:
    app, limiter = make()
    with app.app_context():
        with pytest.raises(ConfigurationError, match=named):
            call(limiter)
        assert limiter.clients(order="overridden") == []
    assert audited(app) == []


# Names of clients


@pytest.mark.parametrize(
    "name",
    [
        "203.0.113.7",
        "a user with spaces",
        "x" * 300,
        7,
        b"seven",
        UUID(int=7),
        LocalProxy(lambda: "proxied"),
    ],
)
def test_a_client_is_named_as_the_key_function_names_it(make: Make, uri: str, name: Any) -> None:
    app, limiter = make(uri, key_func=lambda: name)
    with app.app_context():
        limiter.block(name)
        assert codes(app) == [429]
        assert limiter.clear(name)
    assert codes(app) == [200]


def test_an_address_is_blocked_with_its_network_where_that_is_the_client(make: Make) -> None:
    app, limiter = make()
    with app.app_context():
        limiter.block("2001:db8::1")
    address = {"REMOTE_ADDR": "2001:db8::2"}
    assert codes(app, environ_base=address) == [429]


def test_whoever_did_this_is_blocked_by_the_current_key(make: Make, uri: str) -> None:
    app, limiter = make(uri, key_func=lambda: f"user:{session.get('user', 'nobody')}")

    @app.get("/trap")
    def trap() -> str:
        session["user"] = "eve"
        limiter.block(limiter.current_key, reason="Opened the trap.")
        return limiter.current_key

    assert app.test_client().get("/trap").text == "user:nobody"
    assert codes(app) == [429]


def test_the_current_key_is_known_where_nothing_is_limited(make: Make) -> None:
    app, limiter = make()
    app.add_url_rule("/free", "free", limiter.exempt(lambda: limiter.current_key))
    assert app.test_client().get("/free").text == CLIENT
    limiter.enabled = False
    assert app.test_client().get("/free").text == CLIENT


@pytest.mark.parametrize("name", ["0.0.0.0/0", "127.0.0.1/8", "::/0", "2001:db8::/64"])
def test_a_client_that_calls_itself_a_network_is_blocked_alone(
    make: Make, uri: str, name: str
) -> None:
    app, limiter = make(uri, key_func=lambda: request.headers["User"])
    with app.app_context():
        limiter.block(name)
        assert state_of(app).limiter.access.networks == {}
    assert codes(app, headers={"User": name}) == [429]
    assert codes(app, headers={"User": "bob"}) == [200]
    with app.app_context():
        assert [client["client"] for client in limiter.clients(order="overridden")] == [name]
        assert limiter.clear(name)
    assert codes(app, headers={"User": name}) == [200]


def test_where_clients_are_addresses_a_network_is_meant(make: Make) -> None:
    app, limiter = make()
    with app.app_context():
        limiter.block("127.0.0.0/8")
    assert codes(app) == [429]
    with app.app_context():
        assert limiter.clear("127.0.0.0/8")
    assert codes(app) == [200]


def test_an_operators_network_is_not_cleared_by_the_name_of_a_client(make: Make) -> None:
    app, limiter = make(key_func=lambda: "bob")
    with app.app_context():
        operations = Operations(state_of(app).limiter)
        operations.overrides.set(
            "127.0.0.0/8", "block", amount=0, seconds=600, reason="", who="ann"
        )
        for change in (limiter.clear, limiter.allow):
            with pytest.raises(ConfigurationError, match="an operator has overridden"):
                change("127.0.0.0/8")
    assert codes(app) == [429]


@pytest.mark.parametrize("kind", ["limit", "block"])
def test_the_current_key_is_the_clients_own_where_its_network_is_overridden(
    make: Make, kind: str
) -> None:
    app, limiter = make()
    seen: list[str] = []
    app.teardown_request(lambda _: seen.append(limiter.current_key))
    with app.app_context():
        operations = Operations(state_of(app).limiter)
        amount = 50 if kind == "limit" else 0
        operations.overrides.set(
            "127.0.0.0/8", kind, amount=amount, seconds=600, reason="", who="ann"
        )
    codes(app)
    assert seen == [CLIENT]


def test_without_a_request_there_is_no_current_key(make: Make) -> None:
    app, limiter = make()
    with app.app_context(), pytest.raises(RuntimeError, match="as your key_func names it"):
        _ = limiter.current_key


# Who


def test_the_audit_log_names_the_function_that_called(make: Make) -> None:
    app, limiter = make()

    @app.get("/ban")
    def ban() -> str:
        return str(limiter.block("c")["who"])

    name = "test_the_audit_log_names_the_function_that_called.<locals>.ban"
    assert app.test_client().get("/ban").text == f"app:{__name__}.{name}"[:100]
    with app.app_context():
        limiter.clear("c", who="moderator 5")
    assert [entry["who"] for entry in audited(app)] == [
        "moderator 5",
        f"app:{__name__}.{name}"[:100],
    ]


# Looking


def test_clients_are_listed_and_described(make: Make, uri: str) -> None:
    app, limiter = make(uri)
    codes(app, 3)
    codes(app, 1, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    with app.app_context():
        limiter.flush()
        entries = limiter.clients(order="active")
        assert [entry["client"] for entry in entries] == [CLIENT, "203.0.113.7"]
        assert [entry["client"] for entry in limiter.clients(offset=1, limit=1)] == ["203.0.113.7"]
        assert limiter.clients(step=1) == []
        found = limiter.client(CLIENT)
        assert found is not None
        assert (found["requests"], found["feedback"]) == (3, None)
        assert limiter.client("198.51.100.1") is None


def test_feedback_is_noted_with_a_client_that_is_known(make: Make, uri: str) -> None:
    app, limiter = make(uri)
    codes(app)
    with app.app_context():
        assert limiter.feedback(CLIENT, "good", who="support")
        assert not limiter.feedback("198.51.100.1", "abuse")
        found = limiter.client(CLIENT)
    assert found is not None
    assert found["feedback"] == "good"
    [entry] = audited(app)
    assert (entry["who"], entry["action"]) == ("support", "feedback")


# Resets


def test_a_reset_is_audited_and_leaves_the_rankings(make: Make, uri: str) -> None:
    app, limiter = make(uri)
    codes(app, 2)
    with app.app_context():
        limiter.flush()
        assert limiter.reset(CLIENT, who="support")
        assert limiter.clients() == []
        assert limiter.reset() is False
    entries = [(entry["who"], entry["target"]) for entry in audited(app)]
    assert entries[1] == ("support", CLIENT)
    assert entries[0][0].startswith(f"app:{__name__}.")


def test_an_address_is_reset_with_its_network(make: Make) -> None:
    app, limiter = make(base_limit=1)
    address = {"REMOTE_ADDR": "2001:db8::2"}
    assert codes(app, 2, environ_base=address) == [200, 429]
    with app.app_context():
        assert limiter.reset("2001:db8::2")
    assert codes(app, 1, environ_base=address) == [200]


# Places


CALLS: list[Callable[[IntelligentLimiter], object]] = [
    lambda limiter: limiter.block("c"),
    lambda limiter: limiter.allow("c"),
    lambda limiter: limiter.override("c", 1),
    lambda limiter: limiter.clear("c"),
    lambda limiter: limiter.feedback("c", "good"),
    lambda limiter: limiter.client("c"),
    lambda limiter: limiter.clients(),
]
every_call = pytest.mark.parametrize("call", CALLS)


@every_call
def test_without_an_app_it_says_what_to_do(
    make: Make, call: Callable[[IntelligentLimiter], object]
) -> None:
    _, limiter = make()
    with pytest.raises(RuntimeError, match=r"limiter\.\w+\(\) .* app\.app_context\(\)"):
        call(limiter)


@every_call
def test_an_app_without_a_limiter_is_named(
    make: Make, call: Callable[[IntelligentLimiter], object]
) -> None:
    _, limiter = make()
    with Flask("other").app_context(), pytest.raises(IrlError, match="call init_app first"):
        call(limiter)


@every_call
def test_a_store_that_fails_is_no_secret(
    make: Make, call: Callable[[IntelligentLimiter], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, limiter = make()

    def fail(*_: object) -> None:
        raise StoreError("no answer", kind="timeout")

    for method in ("load", "revisions"):
        monkeypatch.setattr(state_of(app).limiter.store, method, fail)
    with app.app_context(), pytest.raises(StoreError):
        call(limiter)


def test_a_context_is_about_its_apps_clients_alone(make: Make) -> None:
    limiter = IntelligentLimiter(storage_uri="memory://", background=False, admin=False)
    first, second = Flask("first"), Flask("second")
    for app in (first, second):
        limiter.init_app(app)
        app.add_url_rule("/", "index", lambda: "hello")
    with first.app_context():
        limiter.block(CLIENT)
    assert (codes(first), codes(second)) == ([429], [200])
    limiter.close()


def test_threads_may_call_it(make: Make, uri: str) -> None:
    app, limiter = make(uri)

    def ban(number: int) -> None:
        with app.app_context():
            limiter.block(f"client-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ban, range(40)))
    with app.app_context():
        assert len(limiter.clients(order="overridden")) == 40
    assert len(audited(app)) == 40


def test_a_change_is_in_the_processs_own_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    app, limiter = make()
    with caplog.at_level(logging.INFO, "flask_irl"), app.app_context():
        limiter.block(CLIENT, reason="Scrapes.", who="the shop")
    assert "admin_change" in caplog.text
    assert "Scrapes." in caplog.text


# The limits of the current request


def limits(app: Flask, path: str = "/limits", **arguments: Any) -> list[list[Any]]:
    found: list[list[Any]] = app.test_client().get(path, **arguments).get_json()
    return found


def show(limiter: IntelligentLimiter) -> list[tuple[str, int, int, int]]:
    return [(x.scope, x.limit, x.remaining, x.window_seconds) for x in limiter.current_limits]


@pytest.mark.parametrize("strategy", ["sliding-window-counter", "fixed-window", "gcra"])
def test_all_limits_of_the_current_request_are_told(make: Make, uri: str, strategy: str) -> None:
    app, limiter = make(uri, strategy=strategy)

    @app.get("/limits")
    @limiter.limit("5/hour;9/day")
    @limiter.shared_limit("7/hour", "group")
    def view() -> Any:
        return show(limiter)

    assert limits(app) == [
        ["", 100, 99, 60],
        ["view", 5, 4, 3600],
        ["view", 9, 8, 86_400],
        ["shared:group", 7, 6, 3600],
    ]
    codes(app, 2)
    assert [x[2] for x in limits(app)] == [96, 3, 7, 5]


def test_the_limits_told_are_those_of_the_headers(make: Make, uri: str) -> None:
    app, limiter = make(uri)

    @app.get("/limits")
    @limiter.limit("5/hour")
    def view() -> Any:
        return [list(x) for x in limiter.current_limits]

    app.test_client().get("/limits")
    response = app.test_client().get("/limits")
    _, shown = response.get_json()
    assert shown[1:3] == [5, 3]
    assert response.headers["X-RateLimit-Remaining"] == "3"
    assert 0 < shown[3] <= int(response.headers["X-RateLimit-Reset"])


def test_to_ask_for_the_limits_counts_nothing(make: Make, uri: str) -> None:
    app, limiter = make(uri, base_limit=3)

    @app.get("/limits")
    def view() -> Any:
        for _ in range(10):
            found = show(limiter)
        return found

    assert [limits(app)[0][2] for _ in range(3)] == [2, 1, 0]
    assert codes(app) == [429]


@pytest.mark.parametrize("base", [100, None])
def test_limits_of_functions_are_told_once_they_are_called(
    make: Make, uri: str, base: int | None
) -> None:
    app, limiter = make(uri, base_limit=base)

    @limiter.limit("3/hour", key_func=lambda: "everybody")
    def costly() -> None:
        return

    @app.get("/limits")
    def view() -> Any:
        costly()
        costly()
        return show(limiter)

    name = f"{costly.__module__}.{costly.__qualname__}"
    own = [] if base is None else [["", 100, 99, 60]]
    assert limits(app) == [*own, [name, 3, 1, 3600]]


def test_limits_by_a_key_of_their_own_are_told(make: Make, uri: str) -> None:
    app, limiter = make(uri)

    @app.get("/limits")
    @limiter.limit("5/hour", key_func=lambda: "everybody")
    def view() -> Any:
        return show(limiter)

    limits(app, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    assert limits(app) == [["", 100, 99, 60], ["view", 5, 3, 3600]]


def test_an_override_is_what_holds(make: Make, uri: str) -> None:
    app, limiter = make(uri)
    seen: list[Any] = []

    @app.errorhandler(429)
    def refused(error: Exception) -> Any:
        seen.append(limiter.current_limits)
        return "refused", 429

    app.add_url_rule("/limits", "limits", lambda: show(limiter))
    with app.app_context():
        limiter.override(CLIENT, 7)
    assert limits(app) == [["", 7, 6, 60]]
    with app.app_context():
        limiter.allow(CLIENT)
    assert limits(app) == []
    with app.app_context():
        limiter.block(CLIENT, seconds=500)
    assert codes(app) == [429]
    [[blocked]] = seen
    assert (blocked.limit, blocked.remaining, blocked.window_seconds) == (0, 0, 60)
    assert 400 < blocked.reset_after <= 500


def test_a_client_that_is_admitted_again_is_told_all_its_limits(make: Make) -> None:
    app, limiter = make(base_limit=1)

    @app.get("/limits")
    @limiter.limit("5/hour")
    def view() -> Any:
        return show(limiter)

    assert codes(app, 3, path="/limits") == [200, 429, 429]
    # As if its window were over.
    state_of(app).limiter.store.forget(CLIENT, 0)
    assert limits(app) == [["", 1, 0, 60], ["view", 5, 4, 3600]]


def test_where_nothing_is_limited_there_are_no_limits(make: Make) -> None:
    app, limiter = make()
    app.add_url_rule("/limits", "limits", limiter.exempt(lambda: show(limiter)))
    assert limits(app) == []
    assert limiter.current_limits == []
    with app.app_context():
        assert limiter.current_limits == []


def test_without_the_store_the_limit_of_the_headers_is_told(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, limiter = make()

    def fail(*_: object) -> None:
        raise StoreError("no answer", kind="timeout")

    monkeypatch.setattr(state_of(app).limiter.store, "peek", fail)

    @app.get("/limits")
    @limiter.limit("5/hour")
    def view() -> Any:
        return show(limiter)

    assert limits(app) == [["view", 5, 4, 3600]]


def test_a_client_is_assigned_a_plan_until_its_end_or_for_a_time(make: Make) -> None:
    app, limiter = make(plans={"free": "1/minute", "pro": "3/minute"}, default_plan="free")
    assert codes(app, 2) == [200, 429]
    end = datetime.now(UTC) + timedelta(hours=2)
    with app.app_context():
        entry = limiter.assign_plan(CLIENT, "pro", until=end, reason="trial")
        assert abs(entry["until"] - end.timestamp()) < 1
        with pytest.raises(ConfigurationError, match="give one of them"):
            limiter.block(CLIENT, seconds=5, until=end)
    assert codes(app, 4) == [200, 200, 200, 429]
    assert audited(app)[0]["who"].startswith("app:tests.test_control.test_a_client_is_assigned")
    with app.app_context():
        assert limiter.unassign_plan(CLIENT)
        assert not limiter.unassign_plan(CLIENT)
    assert codes(app) == [429]
