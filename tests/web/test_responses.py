from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, Response
from flask.typing import ResponseReturnValue
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException, TooManyRequests, abort
from werkzeug.test import EnvironBuilder, TestResponse

from flask_irl import Decision, IntelligentLimiter, RateLimitExceeded
from flask_irl.stores.state import Update
from flask_irl.web.durations import epoch_seconds, in_words, seconds
from flask_irl.web.responses import LimiterUnavailable, refusal, set_headers
from flask_irl.web.state import state_of
from tests.conftest import Clock
from tests.web.decisions import REFUSED

PROBLEM = "application/problem+json"
ALLOWED = REFUSED._replace(
    outcome="allowed", remaining=4, retry_after=0.0, is_anomalous=False, step=0
)
DETAIL = {
    "error": "Rate limit exceeded",
    "limit": 30,
    "remaining": 0,
    "reset_in": 23,
    "is_anomalous": True,
}


def answer(
    decision: Decision, message: str | None = None, *, accept: str | None = None
) -> Response:
    environ = EnvironBuilder().get_environ()
    kind = LimiterUnavailable if decision.source == "none" else RateLimitExceeded
    asking = environ if accept is None else environ | {"HTTP_ACCEPT": accept}
    return refusal(kind(decision, message), asking)


def headers_of(decision: Decision, *, ietf: bool = False) -> dict[str, str]:
    headers: list[tuple[str, str]] = []
    set_headers(headers, decision, ietf=ietf)
    return dict(headers)


# Seconds


@pytest.mark.parametrize(
    ("duration", "shown"),
    [(0.0, 0), (-1.0, 0), (1e-6, 1), (0.5, 1), (1.0, 1), (1.0000001, 1), (1.000001, 2), (59.9, 60)],
)
def test_seconds_are_whole_and_waiting_them_suffices(duration: float, shown: int) -> None:
    assert seconds(duration) == shown


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (91, "2 minutes"),
        (120, "2 minutes"),
        (5400, "90 minutes"),
        (5401, "2 hours"),
        (48 * 3600, "48 hours"),
        (48 * 3600 + 1, "3 days"),
        (366 * 86_400, "366 days"),
    ],
)
def test_a_duration_in_words_is_rounded_up(duration: int, words: str) -> None:
    assert in_words(duration) == words


@given(st.integers(0, 366 * 86_400 * 10**6))
def test_seconds_never_fall_short_and_never_add_one(micros: int) -> None:
    assert seconds(micros / 1e6) == math.ceil(micros / 10**6)


# Headers


def test_headers_show_limit_remaining_and_the_end_of_the_window() -> None:
    assert headers_of(ALLOWED) == {
        "X-RateLimit-Limit": "30",
        "X-RateLimit-Remaining": "4",
        "X-RateLimit-Reset": "23",
    }


def test_headers_of_a_refusal_show_the_end_of_the_window_and_not_the_wait() -> None:
    assert headers_of(REFUSED)["X-RateLimit-Reset"] == "23"
    assert answer(REFUSED).headers["Retry-After"] == "4"


def test_a_wait_into_the_next_window_is_longer_than_the_reset() -> None:
    decision = REFUSED._replace(reset_after=2.0, retry_after=31.0)
    assert headers_of(decision)["X-RateLimit-Reset"] == "2"
    response = answer(decision)
    assert response.headers["Retry-After"] == "31"
    assert response.get_json()["detail"]["reset_in"] == 2


@given(st.integers(0, 2**32 * 10**6), st.integers(0, 366 * 86_400 * 10**6))
def test_an_epoch_never_falls_short_and_never_adds_a_second(at: int, micros: int) -> None:
    assert epoch_seconds(at / 1e6, micros / 1e6) == math.ceil((at + micros) / 10**6)


@pytest.mark.parametrize(
    ("at", "reset", "shown"),
    [(100.0, 22.0, 122), (100.25, 22.75, 123), (100.9, 22.4, 124), (100.000001, 0.0, 101)],
)
def test_the_reset_as_an_epoch_is_by_the_stores_clock(at: float, reset: float, shown: int) -> None:
    headers: list[tuple[str, str]] = []
    set_headers(headers, ALLOWED._replace(at=at, reset_after=reset), ietf=True, epoch=True)
    assert dict(headers)["X-RateLimit-Reset"] == str(shown)
    # The draft's is in seconds, whatever the other.
    assert dict(headers)["RateLimit"] == f'"default";r=4;t={math.ceil(reset)}'


def test_headers_replace_what_the_view_has_set() -> None:
    headers = [("X-RateLimit-Limit", "1"), ("A", "b"), ("x-ratelimit-limit", "2")]
    set_headers(headers, ALLOWED, ietf=False)
    assert headers[:2] == [("A", "b"), ("X-RateLimit-Limit", "30")]
    assert len(headers) == 4


def test_ietf_headers() -> None:
    found = headers_of(ALLOWED._replace(scope="shop.cart"), ietf=True)
    assert found["RateLimit-Policy"] == '"shop.cart";q=30;w=60'
    assert found["RateLimit"] == '"shop.cart";r=4;t=23'


def test_ietf_headers_name_the_limit_on_everything() -> None:
    assert headers_of(ALLOWED, ietf=True)["RateLimit"].startswith('"default";')


@pytest.mark.parametrize(("reset", "retry", "t"), [(22.4, 3.2, 4), (2.0, 31.0, 2), (5.0, 5.0, 5)])
def test_ietf_t_is_not_later_than_retry_after(reset: float, retry: float, t: int) -> None:
    decision = REFUSED._replace(reset_after=reset, retry_after=retry)
    assert headers_of(decision, ietf=True)["RateLimit"] == f'"default";r=0;t={t}'


@pytest.mark.parametrize(
    ("scope", "shown"),
    [('a"b\\c', '"a\\"b\\\\c"'), ("übel\r\nX: y", '"?bel??X: y"'), ("\0", '"?"')],
)
def test_ietf_names_are_safe_strings(scope: str, shown: str) -> None:
    found = headers_of(ALLOWED._replace(scope=scope), ietf=True)
    assert found["RateLimit"] == f"{shown};r=4;t=23"


# The body of a refusal


def test_the_body_is_that_of_the_contract() -> None:
    response = answer(REFUSED)
    assert response.status_code == 429
    assert response.mimetype == "application/json"
    assert json.loads(response.get_data()) == {"detail": DETAIL}
    assert list(json.loads(response.get_data())["detail"]) == list(DETAIL)


def test_a_limits_own_message_stands_for_the_error() -> None:
    response = answer(REFUSED, 'not so fast, "ü"')
    assert response.get_json()["detail"]["error"] == 'not so fast, "ü"'


def test_without_a_store_it_is_503_whatever_the_message() -> None:
    decision = REFUSED._replace(outcome="blocked", source="none", is_anomalous=False)
    response = answer(decision, "not so fast")
    assert response.status_code == 503
    assert response.get_json()["detail"]["error"] == "Rate limiter unavailable"
    problem = answer(decision, accept=PROBLEM).get_json()
    assert (problem["type"], problem["status"]) == ("about:blank", 503)


@pytest.mark.parametrize(
    ("anomalous", "kind"), [(True, "abnormal-usage-detected"), (False, "quota-exceeded")]
)
def test_problem_json_has_the_same_members(anomalous: bool, kind: str) -> None:
    decision = REFUSED._replace(is_anomalous=anomalous)
    response = answer(decision, accept=PROBLEM)
    assert response.mimetype == PROBLEM
    body = json.loads(response.get_data())
    assert body["status"] == response.status_code == 429
    assert body["title"] == "Rate limit exceeded"
    assert body["detail"] == "Rate limit exceeded. Try again in 4 seconds."
    assert body["type"].endswith(f"#{kind}")
    members = {name: body.get(name) for name in DETAIL if name != "error"}
    assert members == {"limit": 30, "remaining": 0, "reset_in": 23, "is_anomalous": anomalous}
    assert response.headers["Retry-After"] == "4"


@pytest.mark.parametrize(
    ("accept", "problem"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/*", False),
        ("application/json", False),
        (PROBLEM, True),
        ("Application/Problem+JSON", True),
        (f"{PROBLEM}, application/json", True),
        (f"application/json, {PROBLEM};q=0.9", False),
        (f"text/html, {PROBLEM};q=0.2, */*;q=0.1", True),
        (f"{PROBLEM};q=0", False),
        (f"{PROBLEM};q=0, application/json", False),
        (f"{PROBLEM};q=nonsense", False),
        (f'"{PROBLEM}', False),
    ],
)
def test_problem_json_comes_when_it_is_asked_for(accept: str | None, problem: bool) -> None:
    assert (answer(REFUSED, accept=accept).mimetype == PROBLEM) is problem


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0")))
def test_no_accept_header_breaks_the_answer(accept: str) -> None:
    assert answer(REFUSED, accept=accept).status_code == 429


# In an app


def site(**options: Any) -> tuple[Flask, IntelligentLimiter]:
    app = Flask("site")
    options = {"base_limit": 50, **options}
    limiter = IntelligentLimiter(app, background=False, storage_uri="memory://", **options)
    return app, limiter


def asked(app: Flask, count: int, path: str = "/x", **arguments: Any) -> list[TestResponse]:
    return [app.test_client().get(path, **arguments) for _ in range(count)]


def rate_headers(response: TestResponse) -> tuple[str, str]:
    return response.headers["X-RateLimit-Limit"], response.headers["X-RateLimit-Remaining"]


def test_headers_on_every_limited_routes_response_whatever_it_is() -> None:
    app, _ = site()
    app.add_url_rule("/ok", "ok", lambda: "ok")
    app.add_url_rule("/gone", "gone", lambda: abort(410))
    app.add_url_rule("/broken", "broken", lambda: str(1 // 0))
    app.add_url_rule("/away", "away", lambda: Response(status=302, headers={"Location": "/ok"}))
    client = app.test_client()
    for path, status in (("/ok", 200), ("/gone", 410), ("/broken", 500), ("/away", 302)):
        response = client.get(path)
        assert response.status_code == status
        assert response.headers["X-RateLimit-Limit"] == "50"
        assert 1 <= int(response.headers["X-RateLimit-Reset"]) <= 60
        assert "Retry-After" not in response.headers
        assert "RateLimit" not in response.headers


def test_headers_show_the_limit_with_least_left_of_one() -> None:
    app, _ = site(base_limit=3)
    app.add_url_rule("/x", "x", lambda: "")
    assert [rate_headers(r) for r in asked(app, 4)] == [
        *(("3", str(n)) for n in (2, 1, 0)),
        ("3", "0"),
    ]


def test_headers_show_the_limit_with_least_left_of_three() -> None:
    app, limiter = site(base_limit=5)
    app.add_url_rule("/x", "x", limiter.limit("3/minute;4/hour")(lambda: ""))
    app.add_url_rule("/y", "y", lambda: "")
    assert [rate_headers(r) for r in asked(app, 2)] == [("3", "2"), ("3", "1")]
    asked(app, 2, "/y")
    # Two and two of the base's five leave 1, as much as the minute's; the hour has 2.
    (response,) = asked(app, 1)
    assert rate_headers(response) == ("5", "0")
    (refused,) = asked(app, 1)
    assert (refused.status_code, refused.get_json()["detail"]["limit"]) == (429, 5)


def test_a_refusal_shows_the_limit_that_refuses_and_not_the_one_of_a_later_pass() -> None:
    # Flask-Limiter shows the limit on everything here, with requests left.
    app, limiter = site(base_limit=50)
    app.add_url_rule("/x", "x", limiter.limit("1/minute")(lambda: ""))
    _, refused = asked(app, 2)
    assert rate_headers(refused) == ("1", "0")
    assert refused.get_json()["detail"]["limit"] == 1


@pytest.mark.parametrize("strategy", ["sliding-window-counter", "fixed-window", "gcra"])
def test_the_times_of_a_refusal_are_within_the_window_and_agree(strategy: str) -> None:
    app, _ = site(base_limit=2, strategy=strategy, ietf_headers=True)
    app.add_url_rule("/x", "x", lambda: "")
    *_, refused = asked(app, 3)
    assert refused.status_code == 429
    retry = int(refused.headers["Retry-After"])
    reset = int(refused.headers["X-RateLimit-Reset"])
    assert 1 <= reset <= 60
    assert refused.get_json()["detail"]["reset_in"] == reset
    assert 1 <= retry <= 120
    assert int(refused.headers["RateLimit"].rpartition("t=")[2]) <= retry


def test_retry_after_comes_with_429_only() -> None:
    app, _ = site(base_limit=2)
    app.add_url_rule("/x", "x", lambda: "")
    assert ["Retry-After" in r.headers for r in asked(app, 3)] == [False, False, True]


def test_a_views_own_429_is_left_alone() -> None:
    app, _ = site()
    app.add_url_rule("/x", "x", lambda: ("busy", 429))
    (response,) = asked(app, 1)
    assert (response.status_code, response.text) == (429, "busy")
    assert "Retry-After" not in response.headers


def test_ietf_headers_can_be_switched_on() -> None:
    app, _ = site(ietf_headers=True)
    app.add_url_rule("/x", "x", lambda: "")
    (response,) = asked(app, 1)
    assert response.headers["RateLimit-Policy"] == '"default";q=50;w=60'
    assert response.headers["RateLimit"] == '"default";r=49;t=60'


@pytest.mark.parametrize("strategy", ["sliding-window-counter", "fixed-window", "gcra"])
def test_a_client_that_waits_until_the_epoch_is_admitted(
    strategy: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(0.7)
    app, _ = site(base_limit=1, strategy=strategy, reset_format="epoch")
    monkeypatch.setattr(state_of(app).limiter.store, "_clock", clock)
    app.add_url_rule("/x", "x", lambda: "")
    # The last one is refused in front of Flask.
    *_, late, refused = asked(app, 4)
    until = int(refused.headers["X-RateLimit-Reset"])
    assert late.headers["X-RateLimit-Reset"] == str(until)
    assert 0 < until - clock() <= int(refused.headers["Retry-After"]) + 1
    clock.now = until
    assert asked(app, 1)[0].status_code == 200


def test_an_anomalous_clients_refusal_says_so() -> None:
    app, _ = site(base_limit=10)
    app.add_url_rule("/x", "x", lambda: "")
    asked(app, 3)
    store = state_of(app).limiter.store
    (known,) = store.load(["127.0.0.1"])
    assert known is not None
    store.save([Update("127.0.0.1", known.revision, 1, -0.8, known.profile)], 600)
    (refused,) = asked(app, 1)
    assert refused.get_json()["detail"] | {"reset_in": 0} == {**DETAIL, "limit": 3, "reset_in": 0}


def test_a_refused_head_has_headers_and_no_body() -> None:
    app, _ = site(base_limit=1)
    app.add_url_rule("/x", "x", lambda: "")
    asked(app, 1)
    response = app.test_client().head("/x")
    assert response.status_code == 429
    assert response.data == b""
    assert "Retry-After" in response.headers


# The app's error handlers

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


def by_context(app: Flask, limiter: IntelligentLimiter) -> None:
    """A block in the view refuses."""

    @app.get("/x")
    def x() -> str:
        with limiter.limit("1/minute"):
            return "ran"


refusing = pytest.mark.parametrize("refuse", [by_route, by_function, by_context])


@refusing
@pytest.mark.parametrize("registered", [429, TooManyRequests, RateLimitExceeded])
def test_the_apps_own_handler_of_429_is_used(refuse: Refuse, registered: Any) -> None:
    app, limiter = site()
    refuse(app, limiter)

    @app.errorhandler(registered)
    def handle(error: HTTPException) -> ResponseReturnValue:
        assert isinstance(error, RateLimitExceeded)
        return f"{error.code} {error.decision.limit} {error.description}", 429

    _, refused = asked(app, 2)
    assert (refused.status_code, refused.text) == (429, "429 1 Rate limit exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert rate_headers(refused) == ("1", "0")


def test_a_handler_may_answer_with_another_status_and_its_own_retry_after() -> None:
    app, limiter = site()
    by_route(app, limiter)
    app.register_error_handler(429, lambda error: ("busy", 503, {"Retry-After": "99"}))
    _, refused = asked(app, 2)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "99")


def test_a_blueprints_handler_of_429_is_used_for_its_routes_only() -> None:
    app, _ = site(default_limits="1/minute")
    shop = Blueprint("shop", "shop")
    shop.add_url_rule("/x", "x", lambda: "")
    shop.register_error_handler(429, lambda error: ("the shop's", 429))
    app.register_blueprint(shop)
    app.add_url_rule("/y", "y", lambda: "")
    assert asked(app, 2)[1].text == "the shop's"
    assert asked(app, 2, "/y")[1].get_json()["detail"]["limit"] == 1


@refusing
@pytest.mark.parametrize("registered", [Exception, HTTPException, 500])
def test_a_catch_all_handler_neither_swallows_nor_changes_a_refusal(
    refuse: Refuse, registered: Any
) -> None:
    app, limiter = site()
    refuse(app, limiter)
    app.register_error_handler(registered, lambda error: ("caught", 500))
    app.register_blueprint(Blueprint("shop", "shop"))
    _, refused = asked(app, 2)
    assert refused.status_code == 429
    assert refused.get_json()["detail"]["error"] == "Rate limit exceeded"
    assert 1 <= int(refused.headers["Retry-After"]) <= 120


@refusing
def test_a_specific_handler_goes_before_a_catch_all(refuse: Refuse) -> None:
    app, limiter = site()
    refuse(app, limiter)
    app.register_error_handler(Exception, lambda error: ("caught", 500))
    app.register_error_handler(429, lambda error: ("slow down", 429))
    assert asked(app, 2)[1].text == "slow down"


def test_a_handler_that_raises_is_the_apps_own_500_and_the_view_does_not_run() -> None:
    app, limiter = site()
    runs: list[int] = []

    @app.get("/x")
    @limiter.limit("1/minute")
    def view() -> str:
        runs.append(1)
        return ""

    @app.errorhandler(429)
    def handle(error: HTTPException) -> ResponseReturnValue:
        raise LookupError("the handler's own fault")

    assert [r.status_code for r in asked(app, 3)] == [200, 500, 500]
    assert len(runs) == 1
