"""Clients known to be over their limit are refused in front of Flask, as Flask refuses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest
from flask import Flask, Response, request
from werkzeug.exceptions import TooManyRequests
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse, create_environ, run_wsgi_app

from flask_irl import IntelligentLimiter, api_key
from flask_irl.web.state import state_of
from tests.recorder import Recorder
from tests.web.sites import sites_of

ORDINARY = "198.51.100.7"


class Site:
    """An app, what reaches it, and clients that ask it."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.listener = Recorder()
        wrap = options.pop("wrap", None)
        if wrap is not None:
            self.app.wsgi_app = wrap(self.app.wsgi_app)  # type: ignore[method-assign]
        given = {
            "base_limit": 2,
            "background": False,
            "store_timeout": 5.0,
            "listener": self.listener,
            **options,
        }
        self.limiter = IntelligentLimiter(self.app, **given)
        self.seen: list[str] = []
        self.begun = 0
        self.app.before_request(self._note)
        self.app.add_url_rule("/", "index", lambda: "hello", methods=["GET", "POST"])
        self.app.add_url_rule("/exempt", "exempt", self.limiter.exempt(lambda: "hello"))

    def _note(self) -> None:
        self.seen.append(request.path)

    def ask(self, path: str = "/", method: str = "GET", **more: Any) -> TestResponse:
        environ = {"REMOTE_ADDR": more.pop("address", ORDINARY)}
        client = self.app.test_client()
        return client.open(path, method=method, environ_base=environ, **more)

    def exhaust(self, **more: Any) -> TestResponse:
        """Ask until refused; that refusal, which is the app's own."""
        answers = [self.ask(**more) for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        self.seen.clear()
        return answers[-1]


Build = Callable[..., Site]


@pytest.fixture
def build() -> Iterator[Build]:
    """Make sites; their limiters are closed when the test ends."""
    yield from sites_of(Site)


def test_the_second_refusal_does_not_reach_the_app_and_looks_like_the_first(
    build: Build, uri: str
) -> None:
    site = build(storage_uri=uri)
    first = site.exhaust()
    second = site.ask()
    assert site.seen == []
    assert second.status == first.status
    assert second.get_json().keys() == first.get_json().keys()
    assert second.get_json()["detail"]["error"] == first.get_json()["detail"]["error"]
    assert dict(second.headers).keys() == dict(first.headers).keys()
    assert 0 < int(second.headers["Retry-After"]) <= int(first.headers["Retry-After"])


def test_it_is_counted_and_learned_from_like_any_other(build: Build, uri: str) -> None:
    site = build(storage_uri=uri)
    site.exhaust()
    before = len(site.listener.decisions)
    site.ask()
    assert [d.outcome for d in site.listener.decisions[before:]] == ["limited"]
    limiter = state_of(site.app).limiter
    assert limiter.profiler.waiting() == {ORDINARY: 4}
    assert site.listener.swallowed_at == []


def test_once_admitted_again_it_is_counted_once(build: Build, clock: Any) -> None:
    site = build()
    store: Any = state_of(site.app).limiter.store
    store._clock = clock
    site.exhaust()
    clock.advance(120)
    assert site.ask().headers["X-RateLimit-Remaining"] == "1"
    assert site.ask().headers["X-RateLimit-Remaining"] == "0"
    assert site.seen == ["/", "/"]


def test_a_server_may_leave_out_an_empty_path(build: Build) -> None:
    site = build()
    environ = create_environ("/", environ_base={"REMOTE_ADDR": ORDINARY})
    del environ["PATH_INFO"]
    answers = [run_wsgi_app(site.app, dict(environ))[1] for _ in range(4)]
    assert [answer[:3] for answer in answers] == ["200", "200", "429", "429"]
    assert site.listener.swallowed_at == []


def test_other_clients_and_other_paths_are_the_apps_to_answer(build: Build) -> None:
    site = build()
    site.exhaust()
    assert site.ask(address="203.0.113.9").status_code == 200
    assert site.ask("/exempt").status_code == 200
    assert site.ask("/elsewhere").status_code == 429
    assert site.ask(method="POST").status_code == 429
    assert site.seen == ["/", "/exempt"]


def test_a_refusal_of_head_has_no_body(build: Build) -> None:
    site = build()
    site.exhaust(method="HEAD")
    answer = site.ask(method="HEAD")
    assert (answer.status_code, answer.data) == (429, b"")
    assert site.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://shop.example"}, id="from another site"),
        pytest.param({"Accept": "application/problem+json"}, id="problem+json"),
    ],
)
def test_what_only_the_app_can_answer_rightly_goes_to_the_app(
    build: Build, headers: dict[str, str]
) -> None:
    site = build()
    reached = count_refusals(site.app)
    site.exhaust()
    reached.clear()
    assert site.ask(headers=headers).status_code == 429
    assert len(reached) == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"early_refusals": False}, id="switched off"),
        pytest.param({"key_func": lambda: request.remote_addr}, id="a key function of one's own"),
        pytest.param({"wrap": lambda inner: lambda *call: inner(*call)}, id="an unknown wrapper"),
    ],
)
def test_where_it_may_not_be_right_every_refusal_is_the_apps(
    build: Build, options: dict[str, Any]
) -> None:
    site = build(**options)
    reached = count_refusals(site.app)
    site.exhaust()
    reached.clear()
    assert site.ask().status_code == 429
    assert len(reached) == 1


def test_with_request_filters_every_request_is_asked_about(build: Build) -> None:
    site = build()
    site.limiter.request_filter(lambda: request.headers.get("X-Probe") == "yes")
    site.exhaust()
    assert site.ask(headers={"X-Probe": "yes"}).status_code == 200


def test_the_apps_own_handler_of_429_answers_all_refusals(build: Build) -> None:
    site = build()

    @site.app.errorhandler(429)
    def refuse(error: TooManyRequests) -> tuple[str, int]:
        return "slow down", 429

    site.exhaust()
    assert site.ask().text == "slow down"


def test_an_api_key_is_known_in_front_of_the_app_too(build: Build) -> None:
    site = build(key_func=api_key("X-Key", verify=lambda key: True))
    site.exhaust(headers={"X-Key": "one"})
    assert site.ask(headers={"X-Key": "one"}).status_code == 429
    assert site.seen == []
    assert site.ask(headers={"X-Key": "two"}).status_code == 200


@pytest.mark.parametrize("early", [True, False], ids=["before the limiter", "after it"])
def test_behind_a_proxy_the_clients_are_those_in_front_of_it(build: Build, early: bool) -> None:
    def trust_one(inner: Any) -> Any:
        return ProxyFix(inner, x_for=1)

    site = build(wrap=trust_one if early else None)
    if not early:
        site.app.wsgi_app = trust_one(site.app.wsgi_app)  # type: ignore[method-assign]
    site.exhaust(headers={"X-Forwarded-For": "203.0.113.1"})
    assert site.ask(headers={"X-Forwarded-For": "203.0.113.1"}).status_code == 429
    assert site.seen == []
    assert site.ask(headers={"X-Forwarded-For": "203.0.113.2"}).status_code == 200


def test_an_error_on_the_way_is_kept_from_the_client(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = build()
    site.exhaust()

    def broken(*arguments: object, **named: object) -> None:
        raise MemoryError("our own fault")

    monkeypatch.setattr(state_of(site.app).limiter, "log_refusal", broken)
    site.ask()
    assert site.listener.swallowed_at[0] == "early"


# Asking the store while Flask gets ready


@pytest.fixture
def asked(build: Build, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    """Makes sites on Redis that count, in ``begun``, what they ask ahead."""

    def make(**options: Any) -> Site:
        site = build(storage_uri=redis_url, base_limit=10, store_timeout=5.0, **options)
        store: Any = state_of(site.app).limiter.store
        begin = store.begin

        def counted(*arguments: Any) -> Any:
            begun = begin(*arguments)
            site.begun += begun is not None
            return begun

        monkeypatch.setattr(store, "begin", counted)
        return site

    return make


def left(answer: TestResponse) -> int:
    return int(answer.headers["X-RateLimit-Remaining"])


def test_what_was_met_before_is_asked_about_ahead_and_counts_once(asked: Build) -> None:
    site = asked()
    assert [left(site.ask()) for _ in range(3)] == [9, 8, 7]
    assert site.begun == 2
    assert left(site.ask(address="203.0.113.9")) == 9
    assert left(site.ask(method="POST")) == 6
    assert site.begun == 3
    assert {d.source for d in site.listener.decisions} == {"store"}


def test_what_an_exempt_route_or_a_listed_client_asks_for_is_not_asked_about(asked: Build) -> None:
    site = asked(allow=[ORDINARY], deny=["203.0.113.9"])
    for _ in range(2):
        assert site.ask(address="203.0.113.8").status_code == 200
        assert site.ask("/exempt", address="203.0.113.8").status_code == 200
        assert site.ask().status_code == 200
        assert site.ask(address="203.0.113.9").status_code == 429
    assert site.begun == 1


def test_what_another_hook_answers_first_is_counted_once(build: Build, redis_url: str) -> None:
    app = Flask("site")
    let_in: list[bool] = [True]
    app.before_request(lambda: None if let_in[0] else ("who are you?", 401))
    app.add_url_rule("/", "index", lambda: "hello")
    IntelligentLimiter(
        app, storage_uri=redis_url, base_limit=10, background=False, store_timeout=5.0
    )
    client = app.test_client()
    assert left(client.get("/")) == 9
    let_in[0] = False
    assert client.get("/").status_code == 401
    let_in[0] = True
    assert left(client.get("/")) == 7
    state_of(app).limiter.close()


def test_nobody_is_refused_early_where_another_hook_may_answer_first(build: Build) -> None:
    app = Flask("site")
    maintained: list[bool] = [False]
    app.before_request(lambda: ("back at noon", 503) if maintained[0] else None)
    app.add_url_rule("/", "index", lambda: "hello")
    limiter = IntelligentLimiter(app, base_limit=1, background=False)
    client = app.test_client()
    assert [client.get("/").status_code for _ in range(3)] == [200, 429, 429]
    maintained[0] = True
    assert client.get("/").status_code == 503
    with app.app_context():
        limiter.flush()
    state_of(app).limiter.close()


def test_a_guesser_whom_a_hook_before_the_limiter_turns_away_is_counted_and_flagged() -> None:
    app, listener = Flask("site"), Recorder()
    app.before_request(lambda: ("who are you?", 401) if request.method == "POST" else None)
    app.add_url_rule("/login", "login", lambda: "hello", methods=["GET", "POST"])
    limiter = IntelligentLimiter(app, background=False, listener=listener)
    client = app.test_client()
    answers = [client.post("/login") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {401}
    assert left(answers[-1]) == 80
    with app.app_context():
        assert limiter.flush() == 20
    assert listener.outcomes == ["allowed"] * 20
    assert client.get("/login").headers["X-RateLimit-Limit"] == "30"
    state_of(app).limiter.close()


def test_a_hook_before_the_limiter_has_the_first_word_on_whom_it_turns_away() -> None:
    app, listener = Flask("site"), Recorder()
    app.before_request(lambda: ("no", 400) if request.method == "POST" else None)
    app.add_url_rule("/", "index", lambda: "hello", methods=["GET", "POST"])
    limiter = IntelligentLimiter(app, base_limit=2, background=False, listener=listener)
    app.add_url_rule("/health", "health", limiter.exempt(lambda: "ok"), methods=["POST"])
    client = app.test_client()
    assert [client.post("/").status_code for _ in range(4)] == [400] * 4
    assert client.get("/").status_code == 429
    assert client.post("/health").status_code == 400
    assert listener.outcomes == ["allowed"] * 2 + ["limited"] * 3
    assert listener.exempt == ["/health"]
    limiter.enabled = False
    assert "X-RateLimit-Limit" not in client.post("/").headers
    state_of(app).limiter.close()


def test_an_answer_of_a_hook_before_the_limiters_may_still_read_the_body() -> None:
    app = Flask("site")
    app.before_request(lambda: Response(_echo(request.stream)))
    IntelligentLimiter(app, base_limit=1, background=False)
    client = app.test_client()
    assert [client.post("/", data="hello").text for _ in range(3)] == ["hello"] * 3
    state_of(app).limiter.close()


def _echo(stream: IO[bytes]) -> Iterator[bytes]:
    yield stream.read()


def test_what_a_mounted_app_answers_is_not_counted_by_the_one_that_it_is_mounted_in() -> None:
    listeners = {name: Recorder() for name in ("site", "shop")}
    site, shop = Flask("site"), Flask("shop")
    site.wsgi_app = DispatcherMiddleware(site.wsgi_app, {"/shop": shop})  # type: ignore[method-assign]
    for app in (site, shop):
        app.add_url_rule("/", "index", lambda: "hello")
        IntelligentLimiter(app, background=False, listener=listeners[app.name])
    client = site.test_client()
    assert [client.get(path).status_code for path in ("/", "/shop/", "/shop/none")] == [
        200,
        200,
        404,
    ]
    assert listeners["site"].decided_on == ["/"]
    assert listeners["shop"].decided_on == ["/", "unmatched"]
    for app in (site, shop):
        state_of(app).limiter.close()


def test_a_listener_that_fails_keeps_no_answer_of_an_earlier_hook_back() -> None:
    class Failing:
        def notify(self, event: object) -> None:
            raise ValueError("listener")

    app = Flask("site")
    app.before_request(lambda: "early")
    limiter = IntelligentLimiter(app, background=False, listener=Failing())
    app.add_url_rule("/health", "health", limiter.exempt(lambda: "ok"))
    assert app.test_client().get("/health").text == "early"
    state_of(app).limiter.close()


def test_an_answer_that_nobody_waits_for_is_not_anothers(asked: Build) -> None:
    site = asked()
    failing: list[bool] = [False]

    @site.app.url_value_preprocessor
    def prepare(endpoint: str | None, values: object) -> None:
        if failing[0]:
            raise LookupError("the site's own fault")

    assert left(site.ask()) == 9
    failing[0] = True
    assert site.ask().status_code == 500
    failing[0] = False
    assert left(site.ask(address="203.0.113.9")) == 9
    assert left(site.ask()) == 7
    assert site.begun == 3


def test_a_view_that_asks_its_own_site_gets_its_own_answers(asked: Build) -> None:
    site = asked()
    inner: list[int] = []

    def outer() -> str:
        inner.append(left(site.ask(address="203.0.113.9")))
        return "hello"

    site.app.add_url_rule("/outer", "outer", outer)
    assert [left(site.ask("/outer")) for _ in range(3)] == [9, 8, 7]
    assert inner == [9, 8, 7]


def count_refusals(app: Flask) -> list[str]:
    """The paths of the responses that the app makes, from now on."""
    reached: list[str] = []

    @app.after_request
    def note(response: Any) -> Any:
        reached.append(request.path)
        return response

    return reached
