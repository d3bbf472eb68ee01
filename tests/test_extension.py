from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    copy_current_request_context,
    render_template_string,
    request,
    stream_with_context,
)
from flask.typing import ResponseReturnValue

from flask_irl import ConfigurationError, Decision, IntelligentLimiter, IrlError
from flask_irl.behaviour.observation import Observation
from flask_irl.stores.state import Update
from flask_irl.telemetry.events import Event
from flask_irl.web.state import AppState, state_of
from tests.recorder import Recorder
from tests.servers import HOST, free_port

OPTIONS: dict[str, Any] = {"storage_uri": "memory://", "background": False}
ENVIRONMENT = (
    *("REDIS_URL", "BASE_LIMIT", "WINDOW_SECONDS", "ANOMALY_THRESHOLD", "TRAINING_INTERVAL"),
    "IRL_ADMIN_TOKEN",
)
CLIENT = "127.0.0.1"


class Broken:
    """A listener that raises at every event."""

    def notify(self, event: Event) -> None:
        raise OSError("no space left on device")


Make = Callable[..., tuple[Flask, IntelligentLimiter]]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes an app with a route ``/``; its limiter is closed when the test ends."""
    apps: list[Flask] = []

    def build(**options: Any) -> tuple[Flask, IntelligentLimiter]:
        app = Flask("site")
        limiter = IntelligentLimiter(app, **({"store_timeout": 5.0} | OPTIONS | options))
        apps.append(app)
        app.add_url_rule("/", "index", lambda: "hello")
        return app, limiter

    yield build
    for app in apps:
        state_of(app).limiter.close()


def statuses(app: Flask, count: int, path: str = "/", **arguments: Any) -> list[int]:
    client = app.test_client()
    return [client.get(path, **arguments).status_code for _ in range(count)]


def keep(seen: list[Any], value: object) -> str:
    """Append, as an expression, and answer with an empty text."""
    seen.append(value)
    return ""


def observations(state: AppState, monkeypatch: pytest.MonkeyPatch) -> list[Observation]:
    """A list that every observation from now on goes to."""
    seen: list[Observation] = []
    monkeypatch.setattr(
        state.limiter.buffer,
        "add",
        lambda fields, **_: seen.append(Observation._make(fields)),
    )
    return seen


def flag(app: Flask, client: str = CLIENT, step: int = 1) -> None:
    """Give a client that has been here the verdict that a model would give it."""
    limiter = state_of(app).limiter
    state = limiter.store.load([client])[0]
    assert state is not None
    update = Update(client, state.revision, step, -0.9 if step else 0.0, state.profile)
    assert limiter.store.save([update], 3600) == ["saved"]


# Registering


@pytest.mark.parametrize("enabled", [True, False])
def test_registering_twice_raises(enabled: bool) -> None:
    app = Flask("site")
    limiter = IntelligentLimiter(app, enabled=enabled, **OPTIONS)
    with pytest.raises(RuntimeError, match="IntelligentLimiter is registered"):
        limiter.init_app(app)
    with pytest.raises(RuntimeError, match="IntelligentLimiter is registered"):
        IntelligentLimiter(app, enabled=enabled, **OPTIONS)


@pytest.mark.parametrize(
    "wrong", [{"storage_uri": "carrier-pigeon://"}, {"admin_token": "two\nlines"}], ids=str
)
def test_a_failed_registration_leaves_the_app_as_it_was(wrong: dict[str, Any]) -> None:
    app = Flask("site")
    with pytest.raises(ConfigurationError):
        IntelligentLimiter(app, **(OPTIONS | wrong))
    IntelligentLimiter(app, base_limit=1, **OPTIONS)
    assert statuses(app, 2) == [404, 429]


def test_apps_with_one_extension_object_count_apart() -> None:
    limiter = IntelligentLimiter(base_limit=2, **OPTIONS)
    apps = [Flask("one"), Flask("two")]
    for app in apps:
        limiter.init_app(app)
        app.add_url_rule("/", "index", lambda: "hello")
    assert [statuses(app, 3) for app in apps] == [[200, 200, 429]] * 2


def test_apps_with_one_extension_object_have_limits_of_their_own_also_where_no_route_matches() -> (
    None
):
    limiter = IntelligentLimiter(**OPTIONS)
    one, two = Flask("one"), Flask("two")
    one.config["IRL_BASE_LIMIT"] = 1
    two.config["IRL_BASE_LIMIT"] = 3
    for app in (one, two):
        limiter.init_app(app)
    assert statuses(one, 2, "/nothing") == [404, 429]
    assert statuses(two, 4, "/nothing") == [404, 404, 404, 429]


def test_app_factory_with_decorators_before_init_app() -> None:
    limiter = IntelligentLimiter(**OPTIONS)

    @limiter.limit("1/minute")
    def view() -> str:
        return "hello"

    def create_app() -> Flask:
        app = Flask("site")
        limiter.init_app(app)
        app.add_url_rule("/", view_func=view)
        return app

    assert [statuses(create_app(), 2) for _ in range(2)] == [[200, 429]] * 2


def test_limits_of_another_extension_object_do_not_count() -> None:
    app = Flask("site")
    IntelligentLimiter(app, **OPTIONS)
    app.add_url_rule("/", view_func=IntelligentLimiter(**OPTIONS).limit("1/minute")(lambda: "hi"))
    assert statuses(app, 3) == [200, 200, 200]


def test_without_an_extension_the_state_says_so() -> None:
    with pytest.raises(IrlError, match="init_app"):
        state_of(Flask("site"))


# Options


@pytest.mark.parametrize(
    ("arguments", "config", "environment", "expected"),
    [
        ({}, {}, {}, 100),
        ({}, {}, {"BASE_LIMIT": "7"}, 7),
        ({}, {"IRL_BASE_LIMIT": 8}, {"BASE_LIMIT": "7"}, 8),
        ({"base_limit": 9}, {"IRL_BASE_LIMIT": 8}, {"BASE_LIMIT": "7"}, 9),
        ({"base_limit": None}, {"IRL_BASE_LIMIT": 8}, {"BASE_LIMIT": "7"}, None),
        ({}, {"IRL_BASE_LIMIT": None}, {"BASE_LIMIT": "7"}, 7),
        ({}, {"IRL_BASE_LIMIT": "none"}, {"BASE_LIMIT": "7"}, None),
        ({}, {}, {"IRL_BASE_LIMIT": "none", "BASE_LIMIT": "7"}, None),
        ({}, {}, {"IRL_BASE_LIMIT": "6", "BASE_LIMIT": "7"}, 6),
    ],
)
def test_argument_wins_over_config_over_environment_over_default(
    arguments: dict[str, Any],
    config: dict[str, Any],
    environment: dict[str, str],
    expected: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = Flask("site")
    app.config.update(config)
    IntelligentLimiter(app, **OPTIONS, **arguments)
    response = app.test_client().get("/")
    shown = response.headers.get("X-RateLimit-Limit")
    assert shown == (None if expected is None else str(expected))


def test_config_is_read_at_init_app() -> None:
    app = Flask("site")
    limiter = IntelligentLimiter(**OPTIONS)
    app.config["IRL_BASE_LIMIT"] = 5
    limiter.init_app(app)
    app.config["IRL_BASE_LIMIT"] = 6
    assert app.test_client().get("/").headers["X-RateLimit-Limit"] == "5"


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("base_limit", 0, "from 1"),
        ("mode", "sometimes", "enforce, shadow, off"),
        ("on_store_error", "panic", "memory, allow, deny"),
        ("default_limits", "often", "minute"),
        ("storage_uri", "carrier-pigeon://", "redis://"),
        ("store_timeout", 0, "above 0"),
        ("key_func", "REMOTE_ADDR", "function"),
    ],
)
def test_a_wrong_option_is_named_with_its_value_and_what_is_allowed(
    option: str, value: object, allowed: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        IntelligentLimiter(Flask("site"), **dict[str, Any]({option: value}))
    message = str(raised.value)
    assert option in message
    assert allowed in message
    assert repr(value).strip("'") in message


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"base_limits.*base_limit,"):
        IntelligentLimiter(base_limits=3)  # type: ignore[call-arg]


def test_a_wrong_option_is_told_before_there_is_an_app() -> None:
    with pytest.raises(ConfigurationError, match="window_seconds"):
        IntelligentLimiter(window_seconds=-1)


def test_disabled_it_does_nothing(make: Make) -> None:
    app, limiter = make(enabled=False, base_limit=1)
    app.add_url_rule("/own", view_func=limiter.limit("1/minute")(lambda: "own"))
    assert statuses(app, 3) == [200] * 3
    assert statuses(app, 3, "/own") == [200] * 3
    headers = app.test_client().get("/").headers
    assert not [name for name, _ in headers if "ratelimit" in name.lower()]
    with app.test_request_context("/"):
        app.preprocess_request()
        assert limiter.current_decision is None


def test_headers_can_be_switched_off_and_refusals_still_say_when_to_retry(make: Make) -> None:
    app, _ = make(headers_enabled=False, base_limit=1)
    client = app.test_client()
    first, second = client.get("/"), client.get("/")
    assert not [name for name, _ in first.headers if name.lower().startswith(("x-rate", "rate"))]
    assert second.status_code == 429
    assert 1 <= int(second.headers["Retry-After"]) <= 60


# The decision, seen from the app


def test_current_decision_in_a_view(make: Make) -> None:
    app, limiter = make(base_limit=3)
    seen: list[Decision | None] = []
    app.add_url_rule("/look", "look", lambda: keep(seen, limiter.current_decision))
    app.test_client().get("/look")
    assert seen[0] is not None
    assert (seen[0].limit, seen[0].remaining, seen[0].key, seen[0].is_anomalous) == (
        *(3, 2, CLIENT),
        False,
    )


def test_current_decision_in_a_template(make: Make) -> None:
    app, _ = make(base_limit=3)
    text = "{{ irl_decision().remaining }} of {{ irl_decision().limit }}"
    app.add_url_rule("/look", "look", lambda: render_template_string(text))
    assert app.test_client().get("/look").text == "2 of 3"


def test_current_decision_is_none_where_nothing_was_decided(make: Make) -> None:
    app, limiter = make()
    seen: list[object] = []
    exempt = limiter.exempt(lambda: keep(seen, limiter.current_decision))
    app.add_url_rule("/exempt", "exempt", exempt)
    app.test_client().get("/exempt")
    assert seen == [None]
    assert limiter.current_decision is None
    with app.app_context():
        assert limiter.current_decision is None
    with Flask("other").test_request_context():
        assert limiter.current_decision is None


def test_current_decision_in_error_handlers_and_after_request(make: Make) -> None:
    app, limiter = make(base_limit=1)
    seen: list[str] = []

    @app.after_request
    def note(response: Response) -> Response:
        assert limiter.current_decision is not None
        seen.append(limiter.current_decision.outcome)
        return response

    @app.errorhandler(429)
    def handle(error: Exception) -> ResponseReturnValue:
        assert limiter.current_decision is not None
        seen.append(f"handler {limiter.current_decision.outcome}")
        return "slow down", 429

    assert statuses(app, 2) == [200, 429]
    assert seen == ["allowed", "handler limited", "limited"]


# The app's own code around it


def test_a_view_that_raises_runs_once_and_is_noted_as_500(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = make()
    seen = observations(state_of(app), monkeypatch)
    runs: list[int] = []

    @app.get("/broken")
    def broken() -> str:
        runs.append(1)
        raise LookupError("the view's own fault")

    response = app.test_client().get("/broken")
    assert response.status_code == 500
    assert response.headers["X-RateLimit-Remaining"] == "99"
    assert len(runs) == 1
    assert [(o.status, o.route, o.refused) for o in seen] == [(500, "/broken", False)]


def test_a_view_that_raises_through_the_server_is_noted_as_500_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = make()
    app.testing = True
    seen = observations(state_of(app), monkeypatch)

    @app.get("/broken")
    def broken() -> str:
        raise LookupError("the view's own fault")

    with pytest.raises(LookupError):
        app.test_client().get("/broken")
    assert [o.status for o in seen] == [500]


def test_a_refused_view_never_runs_and_is_noted_as_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = make(base_limit=1)
    seen = observations(state_of(app), monkeypatch)
    runs: list[int] = []
    app.add_url_rule("/count", "count", lambda: keep(runs, 1))
    assert statuses(app, 4, "/count") == [200, 429, 429, 429]
    assert len(runs) == 1
    assert [(o.status, o.refused) for o in seen] == [(200, False), *[(429, True)] * 3]


def test_what_is_learned_of_a_request(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = make()
    seen = observations(state_of(app), monkeypatch)
    app.add_url_rule("/item/<int:n>", "item", lambda n: "x" * n, methods=["POST"])
    client = app.test_client()
    client.post("/item/7")
    client.post("/item/8?page=2")
    client.get("/nowhere")
    first, second, third = seen
    assert (first.route, first.method, first.size) == ("/item/<int:n>", "POST", 7)
    assert first.path != second.path
    assert first.gap == -1.0
    assert 0.0 <= second.gap < 60.0
    assert (third.route, third.status) == ("unmatched", 404)


def test_an_answer_of_a_before_request_that_comes_first_is_counted_and_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Flask("site")
    app.before_request(lambda: "closed")
    IntelligentLimiter(app, base_limit=1, **OPTIONS)
    seen = observations(state_of(app), monkeypatch)
    responses = [app.test_client().get("/") for _ in range(3)]
    assert [r.text for r in responses] == ["closed"] * 3
    assert [r.headers["X-RateLimit-Remaining"] for r in responses] == ["0"] * 3
    assert len(seen) == 3


def test_a_before_request_that_answers_later_is_limited(make: Make) -> None:
    app, _ = make(base_limit=1)
    app.before_request(lambda: "closed")
    assert statuses(app, 2) == [200, 429]


def test_an_after_request_that_raises_is_the_apps_own_500(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = make()
    seen = observations(state_of(app), monkeypatch)

    @app.after_request
    def broken(response: Response) -> Response:
        raise LookupError("the hook's own fault")

    assert statuses(app, 1) == [500]
    assert len(seen) == 1


def test_a_copy_of_the_context_that_ends_early_does_not_end_the_request(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = make()
    seen = observations(state_of(app), monkeypatch)

    @app.get("/threaded")
    def threaded() -> str:
        work = threading.Thread(target=copy_current_request_context(lambda: None))
        work.start()
        work.join()
        return "done"

    response = app.test_client().get("/threaded")
    assert response.headers["X-RateLimit-Remaining"] == "99"
    assert [o.status for o in seen] == [200]


def test_a_streamed_response_comes_whole_and_with_headers(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, limiter = make()
    seen = observations(state_of(app), monkeypatch)

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[str]:
            for n in range(3):
                assert limiter.current_decision is not None
                yield f"{n},"

        return Response(stream_with_context(parts()))

    response = app.test_client().get("/stream")
    assert response.text == "0,1,2,"
    assert response.headers["X-RateLimit-Remaining"] == "99"
    assert [(o.status, o.size) for o in seen] == [(200, -1)]


def test_a_stream_that_breaks_off_is_no_second_request(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = make()
    seen = observations(state_of(app), monkeypatch)

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[str]:
            yield "begun"
            raise LookupError("the stream's own fault")

        return Response(stream_with_context(parts()))

    response = app.test_client().get("/stream")
    with pytest.raises(LookupError):
        response.get_data()
    assert len(seen) == 1


def test_requests_within_a_request_are_told_apart(make: Make) -> None:
    app, limiter = make(base_limit=10)

    @app.get("/outer")
    def outer() -> str:
        app.test_client().get("/", environ_base={"REMOTE_ADDR": "192.0.2.9"})
        assert limiter.current_decision is not None
        return limiter.current_decision.key

    assert app.test_client().get("/outer").text == CLIENT


# Filters, and what else of the app's own may fail


def test_a_request_filter_leaves_requests_unlimited(make: Make) -> None:
    listener = Recorder()
    app, limiter = make(base_limit=1, listener=listener)
    limiter.request_filter(lambda: request.headers.get("X-Probe") == "yes")
    assert statuses(app, 3, headers={"X-Probe": "yes"}) == [200] * 3
    response = app.test_client().get("/", headers={"X-Probe": "yes"})
    assert "X-RateLimit-Limit" not in response.headers
    assert listener.exempt == ["/"] * 4
    assert statuses(app, 2) == [200, 429]


def test_a_request_filter_that_raises_exempts_nobody(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Recorder()
    app, limiter = make(base_limit=1, listener=listener)

    @limiter.request_filter
    def broken() -> bool:
        raise LookupError("the filter's own fault")

    assert statuses(app, 2) == [200, 429]
    assert listener.callbacks_failed_at == ["request_filter"] * 2
    assert "the filter's own fault" in caplog.text


@pytest.mark.parametrize(
    "result", [LookupError("the key's own fault"), None, "", 0, b""], ids=lambda r: repr(r)[:12]
)
def test_a_key_func_that_fails_or_knows_nobody_counts_the_address(
    make: Make, result: object
) -> None:
    def key() -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    app, _ = make(base_limit=1, key_func=key)
    assert statuses(app, 2) == [200, 429]
    assert statuses(app, 1, environ_base={"REMOTE_ADDR": "192.0.2.9"}) == [200]


def test_a_key_that_can_not_be_read_counts_the_address(make: Make) -> None:
    class Broken:
        def __str__(self) -> str:
            raise LookupError("the key's own fault")

    app, _ = make(base_limit=1, key_func=Broken)
    assert statuses(app, 2) == [200, 429]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("x" * 10_000, id="10 kB"),
        pytest.param("a\r\nSET b c\0", id="controls"),
        pytest.param("söme{one} \U0001f600", id="unicode"),
        pytest.param("\ud800", id="half a surrogate"),
        pytest.param("#1", id="hash"),
        pytest.param(" ", id="space"),
        pytest.param("{}", id="braces"),
        pytest.param('a"b', id="quote"),
    ],
)
@pytest.mark.parametrize("store", ["memory", "redis"])
def test_whatever_a_client_is_called_it_is_counted_under_a_safe_name(
    make: Make, key: str, store: str, request: pytest.FixtureRequest
) -> None:
    uri = "memory://" if store == "memory" else request.getfixturevalue("redis_url")
    app, limiter = make(base_limit=2, key_func=lambda: key, storage_uri=uri)
    seen: list[Decision | None] = []

    @app.after_request
    def note(response: Response) -> Response:
        seen.append(limiter.current_decision)
        return response

    assert statuses(app, 3) == [200, 200, 429]
    assert seen[0] is not None
    assert seen[0].source == "store"
    name = seen[0].key
    assert 1 <= len(name) <= 64
    assert name.isprintable()
    assert not set(name) & set("{} \"'<>&")
    with app.app_context():
        assert limiter.reset(key)
    assert statuses(app, 1) == [200]


def test_errors_of_the_limiter_itself_never_reach_the_app(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Recorder()
    app, _ = make(listener=listener)

    def broken(*arguments: object, **named: object) -> None:
        raise MemoryError("our own fault")

    monkeypatch.setattr(state_of(app).limiter, "decide", broken)
    assert statuses(app, 1) == [200]
    monkeypatch.undo()
    monkeypatch.setattr(state_of(app).limiter, "observe", broken)
    response = app.test_client().get("/")
    assert response.status_code == 200
    assert response.headers["X-RateLimit-Limit"] == "100"
    assert listener.swallowed_at == ["before_request", "response"]
    assert "our own fault" in caplog.text


def test_a_listener_that_raises_costs_neither_requests_nor_learning(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, limiter = make(base_limit=2, listener=Broken())
    seen = observations(state_of(app), monkeypatch)
    app.add_url_rule("/exempt", "exempt", limiter.exempt(lambda: ""))
    assert statuses(app, 1, "/exempt") == [200]
    assert statuses(app, 3) == [200, 200, 429]
    assert len(seen) == 3


# Verdicts and modes


def test_an_anomalous_client_keeps_its_share_of_every_limit(make: Make, uri: str) -> None:
    app, limiter = make(base_limit=10, storage_uri=uri)
    app.add_url_rule("/own", "own", limiter.limit("5/minute")(lambda: ""))
    statuses(app, 1)
    flag(app)
    # 30 % of 5 is 1.5, which is 2; of 10 it is 3, one of which is used.
    assert statuses(app, 3, "/own") == [200, 200, 429]
    response = app.test_client().get("/")
    assert response.status_code == 429
    detail = response.get_json()["detail"]
    assert (detail["limit"], detail["remaining"], detail["is_anomalous"]) == (3, 0, True)
    assert statuses(app, 1, environ_base={"REMOTE_ADDR": "192.0.2.9"}) == [200]


def test_a_client_that_mends_has_its_full_limit_back(make: Make) -> None:
    app, _ = make(base_limit=10)
    statuses(app, 1)
    flag(app)
    assert statuses(app, 3) == [200, 200, 429]
    flag(app, step=0)
    assert statuses(app, 8) == [*[200] * 7, 429]


def test_a_verdict_holds_at_once_for_all_workers(make: Make, redis_url: str) -> None:
    apps = [make(base_limit=10, storage_uri=redis_url)[0] for _ in range(3)]
    statuses(apps[0], 1)
    flag(apps[1])
    assert statuses(apps[2], 1) == [200]
    assert statuses(apps[0], 1) == [200]
    assert [statuses(app, 1) for app in apps] == [[429]] * 3


def test_shadow_refuses_nobody_on_the_models_word_and_says_what_it_would_do(
    make: Make, uri: str
) -> None:
    listener = Recorder()
    app, _ = make(base_limit=6, mode="shadow", storage_uri=uri, listener=listener)
    statuses(app, 1)
    flag(app)
    response = app.test_client().get("/")
    assert response.headers["X-RateLimit-Limit"] == "6"
    assert statuses(app, 5) == [200, 200, 200, 200, 429]
    # 30 % of 6 is 1.8, which is 2.
    assert listener.outcomes == [*["allowed"] * 2, *["shadow_limited"] * 4, "limited"]


def test_in_shadow_a_functions_limit_keeps_the_outcome(make: Make) -> None:
    listener = Recorder()
    app, limiter = make(base_limit=10, mode="shadow", listener=listener)

    @limiter.limit("3/minute")
    def helper() -> str:
        return "helped"

    app.add_url_rule("/call", "call", lambda: helper())
    statuses(app, 1, "/call")
    flag(app)
    assert statuses(app, 3, "/call") == [200, 200, 429]
    assert listener.outcomes == ["allowed", "shadow_limited", "shadow_limited", "limited"]


def test_off_static_limits_alone_hold_and_nothing_is_learned(make: Make, uri: str) -> None:
    app, limiter = make(base_limit=5, mode="off", storage_uri=uri)
    statuses(app, 1)
    flag(app)
    assert statuses(app, 5) == [200, 200, 200, 200, 429]
    with app.app_context():
        assert limiter.flush() == 0


def test_flush_learns_from_what_was_served(make: Make, uri: str) -> None:
    app, limiter = make(storage_uri=uri)
    statuses(app, 3)
    statuses(app, 2, "/nothing")
    with app.app_context():
        assert limiter.flush() == 5
    counts = state_of(app).limiter.store.counts()
    assert (counts["requests"], counts["route:/"], counts["route:unmatched"]) == (5, 3, 2)


def test_reset_forgets_a_client(make: Make, uri: str) -> None:
    app, limiter = make(base_limit=1, storage_uri=uri)
    assert statuses(app, 2) == [200, 429]
    with app.app_context():
        assert limiter.reset(CLIENT)
        assert not limiter.reset("192.0.2.77")
    assert statuses(app, 2) == [200, 429]


@pytest.mark.parametrize("clients", [1, 4])
def test_threads_admit_exactly_the_limit(make: Make, clients: int) -> None:
    app, _ = make(base_limit=25)

    def ask(number: int) -> int:
        address = f"192.0.2.{number % clients}"
        return app.test_client().get("/", environ_base={"REMOTE_ADDR": address}).status_code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(160)))
    assert found.count(200) == min(25 * clients, 160)


# Without a store


@pytest.mark.parametrize(
    ("then", "expected", "outcome"),
    [
        ("memory", [200, 200, 429], "limited"),
        ("allow", [200, 200, 200], "allowed"),
        ("deny", [503, 503, 503], "blocked"),
    ],
)
def test_with_a_dead_redis_the_option_decides(
    make: Make, then: str, expected: list[int], outcome: str
) -> None:
    listener = Recorder()
    app, _ = make(
        storage_uri=f"redis://{HOST}:{free_port()}",
        on_store_error=then,
        base_limit=2,
        # Connecting is refused at once; the time is for a busy machine.
        store_timeout=2.0,
        listener=listener,
    )
    assert statuses(app, 3) == expected
    assert listener.outcomes[-1] == outcome
    assert listener.store_errors == ["refused"] * 3
    response = app.test_client().get("/")
    assert ("X-RateLimit-Limit" in response.headers) == (then == "memory")
    assert ("Retry-After" in response.headers) == (response.status_code != 200)


def test_denied_the_body_says_when_to_retry_and_a_429_handler_has_no_say(make: Make) -> None:
    app, _ = make(
        storage_uri=f"redis://{HOST}:{free_port()}", on_store_error="deny", store_timeout=2.0
    )
    app.register_error_handler(429, lambda error: ("the app's own", 429))
    response = app.test_client().get("/")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert response.get_json()["detail"] == {
        "error": "Rate limiter unavailable",
        "limit": 100,
        "remaining": 0,
        "reset_in": 1,
        "is_anomalous": False,
    }


def test_a_listener_that_raises_does_not_keep_the_local_limiter_from_taking_over(
    make: Make,
) -> None:
    app, limiter = make(
        storage_uri=f"redis://{HOST}:{free_port()}",
        base_limit=4,
        store_timeout=2.0,
        listener=Broken(),
    )
    assert statuses(app, 5) == [200, 200, 200, 200, 429]
    with app.app_context():
        assert not limiter.healthy


@pytest.mark.parametrize("value", [-0.1, 0, 61, "soon", True, float("nan"), float("inf")])
def test_store_timeout_must_make_sense(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="store_timeout"):
        IntelligentLimiter(store_timeout=value)


def test_the_admin_api_tells_the_apps_routes_and_not_its_own(make: Make) -> None:
    app, _ = make(admin_token="token-of-the-operator")

    @app.get("/admin/users")
    def users() -> str:
        return ""

    headers = {"Authorization": "Bearer token-of-the-operator"}
    found = app.test_client().get("/admin/limits", headers=headers).get_json()
    routes = {route["route"] for route in found["routes"]}
    assert {route for route in routes if route.startswith("/admin")} == {"/admin/users"}
    assert len(routes) > 2


def test_paths_below_the_admin_api_that_do_not_exist_count_as_any_that_no_route_matches(
    make: Make,
) -> None:
    app, limiter = make(admin_token="token-of-the-operator", base_limit=4)
    front = app.test_client()
    assert [front.get(f"/admin/{n}.php").status_code for n in range(5)] == [*[404] * 4, 429]
    assert front.post("/admin/stats").status_code == 429
    headers = {"Authorization": "Bearer token-of-the-operator"}
    with app.app_context():
        assert limiter.flush() == 6
    found = front.get("/admin/stats", headers=headers).get_json()
    assert found["endpoints"] == {"unmatched": 6}
