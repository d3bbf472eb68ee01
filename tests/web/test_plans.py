"""Test that each request counts under its client's rate plan, on memory and on Redis."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g, request

from flask_irl import ConfigurationError, IntelligentLimiter
from flask_irl.operations import Operations
from flask_irl.telemetry.events import CallbackFailed, PlanDecided
from flask_irl.web.state import state_of
from tests.recorder import Recorder

PLANS = {"free": "2/minute", "pro": "4/minute;6/hour"}


def by_header() -> str | None:
    return request.headers.get("X-Plan")


class Site:
    """An app whose clients say their plan."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.listener = Recorder()
        options = {"plans": PLANS, "base_limit": 3, "plan_of": by_header, **options}
        self.limiter = IntelligentLimiter(
            self.app, background=False, listener=self.listener, **options
        )
        self.app.add_url_rule("/", "index", lambda: "x")

        @self.app.get("/costly")
        @self.limiter.limit("1/minute")
        def costly() -> str:
            return "x"

        @self.app.get("/own")
        @self.limiter.limit("5/minute", override_base=True)
        def own() -> str:
            return "x"

    def asks(self, count: int, plan: str | None = None, path: str = "/") -> list[int]:
        headers = {} if plan is None else {"X-Plan": plan}
        client = self.app.test_client()
        return [client.get(path, headers=headers).status_code for _ in range(count)]

    def failures(self) -> list[str]:
        return [x.where for x in self.listener.events if isinstance(x, CallbackFailed)]


def test_a_plans_limits_count_instead_of_the_base_limit() -> None:
    site = Site()
    assert site.asks(5, "pro") == [200] * 4 + [429]
    assert site.asks(4) == [200] * 3 + [429]


def test_a_client_that_changes_plans_and_comes_back_has_no_more_than_was_left() -> None:
    site = Site()
    assert site.asks(2, "free") == [200, 200]
    assert site.asks(1, "pro") == [200]
    assert site.asks(1, "free") == [429]
    # A refusal under one plan isn't believed under another.
    assert site.asks(4, "pro") == [200] * 3 + [429]


def test_the_default_plan_is_for_clients_without_another() -> None:
    site = Site(default_plan="free")
    assert site.asks(3) == [200, 200, 429]


def test_without_a_function_all_clients_have_the_default_plan() -> None:
    site = Site(default_plan="free", plan_of=None)
    assert site.asks(3) == [200, 200, 429]


def test_a_routes_own_limit_stays_and_one_instead_of_the_base_limit_replaces_the_plan() -> None:
    site = Site()
    assert site.asks(2, "pro", "/costly") == [200, 429]
    assert site.asks(6, "free", "/own") == [200] * 5 + [429]


def test_a_plan_that_a_later_hook_tells_is_the_one_that_counts() -> None:
    site = Site(plan_of=lambda: g.plan)

    @site.app.before_request
    def log_in() -> None:
        g.plan = request.headers.get("X-Plan")

    assert site.asks(5, "pro") == [200] * 4 + [429]
    assert site.failures() == []


def raises() -> str:
    raise RuntimeError("no database")


@pytest.mark.parametrize(
    "plan_of",
    [
        raises,
        lambda: "gold",
        lambda: "x" * 10_000_000,
        lambda: 5,
        lambda: object(),
        lambda: ["free"],
    ],
)
def test_a_function_that_names_no_plan_gives_the_default_and_is_reported(plan_of: Any) -> None:
    site = Site(plan_of=plan_of, default_plan="free")
    assert site.asks(3) == [200, 200, 429]
    assert site.failures()[0] == "plan_of"
    site = Site(plan_of=plan_of)
    assert site.asks(4) == [200] * 3 + [429]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"default_plan": "gold"}, "default_plan is 'gold'.* free, pro"),
        ({"plan_of": "not an attribute"}, "plan_of is 'not an attribute'"),
        ({"plan_of": 5}, "plan_of 5 is not allowed"),
        ({"plans": None}, "plan_of needs plans"),
        ({"plans": {"free": "lots"}}, "plans: free: limit 'lots'"),
    ],
)
def test_a_wrong_configuration_is_refused_at_start(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Site(**options)


def usage(site: Site, plan: str | None = None) -> Any:
    headers = {} if plan is None else {"X-Plan": plan}
    answer = site.app.test_client().get("/usage", headers=headers)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


@pytest.fixture(params=["memory", "redis"])
def uri(request: pytest.FixtureRequest) -> str:
    name = request.param
    return "memory://" if name == "memory" else str(request.getfixturevalue("redis_url"))


@pytest.mark.parametrize("exempt", [False, True])
def test_a_client_is_told_what_remains_of_its_plan(uri: str, exempt: bool) -> None:
    site = Site(storage_uri=uri, strategy="fixed-window", store_timeout=5.0)
    view = site.limiter.exempt(site.limiter.usage_view) if exempt else site.limiter.usage_view
    site.app.add_url_rule("/usage", view_func=view)
    site.asks(2, "pro")
    told = usage(site, "pro").json
    used = 2 if exempt else 3
    resets = [limit.pop("resets_at")[-1] for limit in told["limits"]]
    ends = [limit.pop("reset_in") for limit in told["limits"]]
    assert resets == ["Z", "Z"]
    assert 0 < ends[0] <= 60 < ends[1] <= 3600
    assert told == {
        "plan": "pro",
        "unlimited": False,
        "blocked": False,
        "limits": [
            {"limit": 4, "window_seconds": 60, "used": used, "remaining": 4 - used},
            {"limit": 6, "window_seconds": 3600, "used": used, "remaining": 6 - used},
        ],
    }
    other = usage(site).json
    assert (other["plan"], [x["limit"] for x in other["limits"]]) == (None, [3])


def test_an_override_shows_in_what_remains(uri: str) -> None:
    site = Site(storage_uri=uri, store_timeout=5.0)
    site.app.add_url_rule("/usage", view_func=site.limiter.exempt(site.limiter.usage_view))
    with site.app.app_context():
        site.limiter.override("127.0.0.1", 9, reason="test")
    told = usage(site, "pro").json
    assert [x["limit"] for x in told["limits"]] == [9]
    with site.app.app_context():
        site.limiter.allow("127.0.0.1")
    told = usage(site, "pro").json
    assert (told["limits"], told["unlimited"]) == ([], True)
    with site.app.app_context():
        site.limiter.block("127.0.0.1")
    told = usage(site, "pro").json
    assert (told["limits"], told["blocked"]) == ([], True)


def test_usage_is_not_known_while_the_store_is_out() -> None:
    site = Site(storage_uri="redis://127.0.0.1:1", store_timeout=0.01)
    site.app.add_url_rule("/usage", view_func=site.limiter.usage_view)
    answer = usage(site, "pro")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_a_calendar_limit_of_a_plan_and_of_a_route_holds_in_the_sites_time_zone(uri: str) -> None:
    site = Site(
        storage_uri=uri,
        store_timeout=5.0,
        plans={"month": "3/calendar-month"},
        default_plan="month",
        plan_of=None,
        time_zone="Asia/Kathmandu",
        default_limits="2/calendar-day",
    )
    site.app.add_url_rule("/usage", view_func=site.limiter.exempt(site.limiter.usage_view))
    assert site.asks(3) == [200, 200, 429]
    assert site.asks(2, path="/costly") == [200, 429]
    [month] = usage(site).json["limits"]
    assert (month["used"], month["remaining"]) == (3, 0)
    end = datetime.fromisoformat(month["resets_at"]).astimezone(ZoneInfo("Asia/Kathmandu"))
    # To the second, of a time that was rounded.
    nearly = end + timedelta(seconds=2)
    assert (nearly.day, nearly.hour, nearly.minute) == (1, 0, 0)


def test_operators_see_each_plans_requests_whoever_told_it(uri: str) -> None:
    site = Site(storage_uri=uri, store_timeout=10.0, default_plan="free")
    assert site.asks(5, "pro") == [200] * 4 + [429]
    # Of the default; refused here at last without a question, and before the app's view.
    assert site.asks(4, path="/missing") == [404, 404, 429, 429]
    site.app.test_client().get("/costly")
    with site.app.app_context():
        site.limiter.flush()
        found = Operations(state_of(site.app).limiter).analytics.read()["plans"]
        assert {plan["name"]: (plan["requests"], plan["refused"]) for plan in found} == {
            "pro": (5, 1),
            "free": (5, 3),
        }
        counted = [x for x in site.listener.events if isinstance(x, PlanDecided)]
        assert Counter(x.plan for x in counted) == {"pro": 5, "free": 5}


def test_a_request_under_no_plan_counts_for_none(uri: str) -> None:
    site = Site(storage_uri=uri, store_timeout=10.0)
    site.asks(2)
    with site.app.app_context():
        site.limiter.flush()
        found = Operations(state_of(site.app).limiter).analytics.read()["plans"]
    assert {plan["requests"] for plan in found} == {0}
