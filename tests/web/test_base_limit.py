"""Test the limit on all of a client's requests where it is off, and where another replaces it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, g, request
from flask.typing import ResponseReturnValue

from flask_irl import IntelligentLimiter
from flask_irl.operations import Operations
from flask_irl.stores.state import Update
from flask_irl.telemetry.events import RequestDecided
from flask_irl.web.state import state_of
from tests.recorder import Recorder

CLIENT = "127.0.0.1"
LIMIT, LEFT = "X-RateLimit-Limit", "X-RateLimit-Remaining"
Make = Callable[..., tuple[Flask, IntelligentLimiter]]


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make apps with a limiter on each kind of store, which end with the test."""
    uri = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    limiters: list[IntelligentLimiter] = []

    def made(**options: Any) -> tuple[Flask, IntelligentLimiter]:
        app = Flask("site", static_folder=None)
        given = {"storage_uri": uri, "background": False, "store_timeout": 10.0, **options}
        limiters.append(IntelligentLimiter(app, **given))
        app.add_url_rule("/", "index", lambda: "hello")
        return app, limiters[-1]

    yield made
    for limiter in limiters:
        limiter.close()


def page() -> Callable[[], str]:
    """Make a view of its own: a decorator leaves its mark on what it decorates."""
    return lambda: "page"


def codes(app: Flask, *paths: str, **more: Any) -> list[int]:
    client = app.test_client()
    return [client.get(path, **more).status_code for path in paths]


def left(response: Response | Any) -> tuple[str | None, str | None]:
    """Give the limit that an answer shows, and what is left of it."""
    return response.headers.get(LIMIT), response.headers.get(LEFT)


def judge(app: Flask, step: int) -> None:
    """Give the client that has been here the verdict that a model would give it."""
    store = state_of(app).limiter.store
    [state] = store.load([CLIENT])
    assert state is not None
    assert store.save([Update(CLIENT, state.revision, step, -0.9, state.profile)], 3600) == [
        "saved"
    ]


def override(app: Flask, kind: str, amount: int = 0) -> None:
    """Override the client's limits as an operator does."""
    Operations(state_of(app).limiter).overrides.set(
        CLIENT, kind, amount=amount, seconds=60.0, reason="", who="ann"
    )


# Off


def test_without_a_base_limit_and_others_nobody_is_refused_and_all_is_observed(make: Make) -> None:
    app, limiter = make(base_limit=None)
    client = app.test_client()
    for path in ("/", "/nowhere"):
        for _ in range(150):
            response = client.get(path)
            assert response.status_code in (200, 404)
            assert not [name for name in response.headers if name[0].lower().startswith("x-rate")]
    with app.app_context():
        assert limiter.flush() == 300
        described = Operations(state_of(app).limiter).clients.describe(CLIENT)
    assert described is not None
    assert (described["requests"], described["limit"]) == (300, None)


def test_the_ietf_headers_are_left_out_too(make: Make) -> None:
    app, _ = make(base_limit=None, ietf_headers=True)
    assert "RateLimit" not in app.test_client().get("/").headers


def test_the_decision_on_an_unlimited_request_is_to_be_had(make: Make) -> None:
    app, limiter = make(base_limit=None)
    app.add_url_rule("/own", "own", lambda: str(limiter.current_decision))
    shown = app.test_client().get("/own").text
    assert "outcome='allowed'" in shown
    assert "limit=0" in shown


def test_without_a_base_limit_the_limits_of_routes_hold(make: Make) -> None:
    app, limiter = make(base_limit=None, default_limits="3/minute")
    app.add_url_rule("/own", "own", limiter.limit("2/minute")(page()))
    app.add_url_rule("/free", "free", limiter.limit(lambda: None)(page()))
    client = app.test_client()
    assert left(client.get("/own")) == ("2", "1")
    assert codes(app, "/own", "/own", "/", "/", "/", "/") == [200, 429, 200, 200, 200, 429]
    assert codes(app, *["/free"] * 5) == [200] * 5
    assert left(client.get("/free")) == (None, None)


def test_a_flagged_client_keeps_its_share_of_the_limits_there_are(make: Make) -> None:
    app, limiter = make(base_limit=None, anomalous_factor=0.5)
    app.add_url_rule("/own", "own", limiter.limit("4/minute")(page()))
    assert codes(app, "/") == [200]
    judge(app, 1)
    assert codes(app, *["/own"] * 3) == [200, 200, 429]
    assert codes(app, *["/"] * 5) == [200] * 5


def test_in_shadow_mode_a_flagged_client_is_only_told_of(make: Make) -> None:
    app, limiter = make(base_limit=None, anomalous_factor=0.5, mode="shadow")
    outcomes: list[str] = []

    def own() -> str:
        decision = limiter.current_decision
        outcomes.append("" if decision is None else decision.outcome)
        return ""

    app.add_url_rule("/own", "own", limiter.limit("2/minute")(own))
    assert codes(app, "/") == [200]
    judge(app, 1)
    assert codes(app, *["/own"] * 3) == [200, 200, 429]
    assert outcomes == ["allowed", "shadow_limited"]


def test_a_blocked_client_is_refused_without_any_limit(make: Make) -> None:
    app, _ = make(base_limit=None)
    assert codes(app, "/") == [200]
    override(app, "block")
    response = app.test_client().get("/")
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert response.get_json()["detail"]["limit"] == 0
    # A worker that remembers the block refuses by itself.
    assert codes(app, "/", "/nowhere") == [429, 429]
    Operations(state_of(app).limiter).overrides.clear(CLIENT, "ann")
    assert codes(app, "/") == [200]


def test_an_operators_limit_for_a_client_holds_over_all_routes(make: Make) -> None:
    app, limiter = make(base_limit=None)
    app.add_url_rule("/own", "own", limiter.limit("50/minute")(page()))
    override(app, "limit", 3)
    client = app.test_client()
    assert left(client.get("/")) == ("3", "2")
    assert codes(app, "/own", "/", "/own", "/") == [200, 200, 429, 429]
    Operations(state_of(app).limiter).overrides.clear(CLIENT, "ann")
    assert codes(app, "/", "/own") == [200, 200]


def test_an_allowed_client_passes_the_limits_of_routes(make: Make) -> None:
    app, limiter = make(base_limit=None)
    app.add_url_rule("/own", "own", limiter.limit("1/minute")(page()))
    override(app, "allow")
    assert codes(app, *["/own"] * 3, *["/"] * 2) == [200] * 5
    assert left(app.test_client().get("/own")) == ("1", "1")
    assert left(app.test_client().get("/")) == (None, None)


def test_a_functions_limit_is_shown_on_an_otherwise_unlimited_route(make: Make) -> None:
    app, limiter = make(base_limit=None)
    search = limiter.limit("2/minute")(page())
    app.add_url_rule("/search", "search", lambda: search())
    client = app.test_client()
    assert left(client.get("/search")) == ("2", "1")
    assert codes(app, "/search", "/search") == [200, 429]


@pytest.mark.parametrize(("then", "code"), [("memory", 200), ("allow", 200), ("deny", 503)])
def test_without_base_limit_and_store_requests_are_decided_as_the_option_says(
    make: Make, then: str, code: int
) -> None:
    app, limiter = make(
        base_limit=None, storage_uri="redis://127.0.0.1:1", on_store_error=then, store_timeout=0.5
    )
    app.add_url_rule("/own", "own", limiter.limit("1/minute")(page()))
    assert codes(app, *["/"] * 3) == [code] * 3
    second = 429 if then == "memory" else code
    assert codes(app, "/own", "/own") == [code, second]


def test_preflights_are_limited_all_the_same(make: Make) -> None:
    app, _ = make(base_limit=None, strategy="fixed-window")
    client = app.test_client()
    headers = {"Origin": "https://else.where", "Access-Control-Request-Method": "GET"}
    answers = [client.options("/", headers=headers).status_code for _ in range(2001)]
    assert answers == [200] * 2000 + [429]


def test_a_base_limit_of_any_size_lets_the_app_start(make: Make) -> None:
    app, _ = make(base_limit=2**31 - 1)
    assert codes(app, "/") == [200]


def test_a_base_limit_can_be_set_and_taken_back_while_the_app_runs(make: Make) -> None:
    app, _ = make(base_limit=None)
    site = Operations(state_of(app).limiter).site
    assert (site.limits()["base_limit"], site.limits()["steps"][0]["limit"]) == (None, None)
    assert Operations(state_of(app).limiter).status.read()["base_limit"] == "none"
    assert site.set_limits({"base_limit": 2}, "ann")["steps"][0]["limit"] == 2
    assert codes(app, "/", "/", "/") == [200, 200, 429]
    assert site.set_limits({"base_limit": None}, "ann")["base_limit"] is None
    assert codes(app, "/", "/") == [200, 200]


def test_the_admin_api_tells_that_it_is_off(make: Make) -> None:
    app, limiter = make(base_limit=None, authorize=lambda scope: "ann")
    client = app.test_client()
    assert codes(app, "/") == [200]
    with app.app_context():
        limiter.flush()
    limits: Any = client.get("/admin/limits").json
    assert (limits["base_limit"], limits["steps"][1]["limit"]) == (None, None)
    clients: Any = client.get("/admin/clients").json
    assert [entry["limit"] for entry in clients["clients"]] == [None]
    known: Any = client.get(f"/admin/client/{CLIENT}").json
    assert known["limit"] is None
    changed: Any = client.put("/admin/limits", json={"base_limit": 3}).json
    assert (changed["base_limit"], changed["steps"][0]["limit"]) == (3, 3)
    back: Any = client.put("/admin/limits", json={"base_limit": None}).json
    assert back["base_limit"] is None


def test_metrics_count_unlimited_requests(make: Make) -> None:
    listener = Recorder()
    app, _ = make(base_limit=None, listener=listener)
    assert codes(app, "/") == [200]
    [decided] = [x for x in listener.events if isinstance(x, RequestDecided)]
    assert (decided.route, decided.decision.outcome) == ("/", "allowed")


# Replaced


def test_a_limit_that_replaces_the_base_limit_may_exceed_it(make: Make) -> None:
    app, limiter = make(base_limit=2)
    app.add_url_rule("/big", "big", limiter.limit("5/minute", override_base=True)(page()))
    client = app.test_client()
    assert left(client.get("/big")) == ("5", "4")
    assert codes(app, *["/big"] * 5) == [200] * 4 + [429]
    # None of these has counted against the base limit, nor those against it here.
    assert codes(app, "/", "/", "/") == [200, 200, 429]


def test_a_client_over_the_base_limit_has_what_replaces_it_left(make: Make) -> None:
    app, limiter = make(base_limit=2)
    app.add_url_rule("/big", "big", limiter.limit("3/minute", override_base=True)(page()))
    app.add_url_rule("/plan", "plan", limiter.limit(lambda: "3/minute", override_base=True)(page()))
    assert codes(app, *["/"] * 4) == [200, 200, 429, 429]
    assert codes(app, *["/big", "/plan"] * 4) == [200] * 6 + [429] * 2
    assert codes(app, "/") == [429]


def test_a_shared_limit_and_one_of_a_blueprint_may_replace_it(make: Make) -> None:
    app, limiter = make(base_limit=1)
    shop = Blueprint("shop", "shop", url_prefix="/shop")
    shop.add_url_rule("/a", "a", page())
    limiter.limit("2/minute", override_base=True)(shop)
    app.register_blueprint(shop)
    shared = limiter.shared_limit("3/minute", scope="exports", override_base=True)
    app.add_url_rule("/x", "x", shared(page()))
    app.add_url_rule("/y", "y", shared(page()))
    assert codes(app, "/shop/a", "/shop/a", "/shop/a") == [200, 200, 429]
    assert codes(app, "/x", "/y", "/x", "/y") == [200, 200, 200, 429]
    assert codes(app, "/", "/") == [200, 429]


def test_other_limits_of_the_route_hold_beside_the_one_that_replaces(make: Make) -> None:
    app, limiter = make(base_limit=1)
    both = limiter.limit("4/minute", override_base=True)(limiter.limit("2/second")(page()))
    app.add_url_rule("/both", "both", both)
    assert codes(app, "/both", "/both", "/both") == [200, 200, 429]


def test_it_replaces_the_base_limit_only_where_it_applies(make: Make) -> None:
    app, limiter = make(base_limit=1)
    limited = limiter.limit("3/minute", methods=["POST"], override_base=True)(page())
    app.add_url_rule("/page", "page", limited, methods=["GET", "POST"])
    client = app.test_client()
    assert [client.post("/page").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert codes(app, "/page", "/page") == [200, 429]


def test_a_plan_of_each_request_replaces_it(make: Make) -> None:
    app, limiter = make(base_limit=1)

    @app.before_request
    def find_plan() -> None:
        g.plan = {"gold": "3/minute", "broken": "3/fortnight"}.get(request.args.get("plan", ""))

    plans = limiter.limit(lambda: g.plan, override_base=True)
    app.add_url_rule("/plan", "plan", plans(page()))
    assert codes(app, *["/plan?plan=gold"] * 4) == [200, 200, 200, 429]
    # One that is none, or can't be read, replaces nothing.
    assert codes(app, "/plan", "/plan", "/plan?plan=broken") == [200, 429, 429]


def test_the_default_of_a_plan_that_fails_replaces_it(make: Make) -> None:
    app, limiter = make(base_limit=1)
    failing = limiter.limit(lambda: g.nothing, default="2/minute", override_base=True)
    app.add_url_rule("/plan", "plan", failing(page()))
    assert codes(app, *["/plan"] * 3) == [200, 200, 429]


def test_a_key_of_its_own_counts_for_each_key(make: Make) -> None:
    app, limiter = make(base_limit=1)
    user = limiter.limit("2/minute", key_func=lambda: request.args["user"], override_base=True)
    app.add_url_rule("/user", "user", user(page()))
    assert codes(app, *["/user?user=ann"] * 3) == [200, 200, 429]
    assert codes(app, *["/user?user=bob"] * 3) == [200, 200, 429]


def test_who_is_turned_away_by_a_hook_has_no_plan_yet(make: Make) -> None:
    app, limiter = make(base_limit=2)

    @app.before_request
    def log_in() -> ResponseReturnValue | None:
        g.plan = "9/minute"
        return None if "user" in request.args else ("who are you?", 401)

    plans = limiter.limit(lambda: g.plan, override_base=True)
    app.add_url_rule("/plan", "plan", plans(page()))
    assert codes(app, *["/plan"] * 3) == [401, 401, 429]
    assert codes(app, *["/plan?user=ann"] * 5) == [200] * 5


def test_operators_overrides_hold_where_the_base_limit_is_replaced(make: Make) -> None:
    app, limiter = make(base_limit=9)
    app.add_url_rule("/big", "big", limiter.limit("50/minute", override_base=True)(page()))
    override(app, "limit", 3)
    assert codes(app, "/big", "/", "/big", "/big", "/") == [200, 200, 200, 429, 429]
    override(app, "block")
    assert codes(app, "/big", "/big") == [429, 429]
    override(app, "allow")
    assert codes(app, *["/big"] * 3) == [200] * 3


def test_a_flagged_client_keeps_its_share_of_what_replaces_it(make: Make) -> None:
    app, limiter = make(base_limit=2, anomalous_factor=0.5)
    app.add_url_rule("/big", "big", limiter.limit("6/minute", override_base=True)(page()))
    assert codes(app, "/") == [200]
    judge(app, 1)
    assert codes(app, *["/big"] * 4) == [200, 200, 200, 429]


def test_a_refused_request_burns_neither(make: Make) -> None:
    app, limiter = make(base_limit=2)
    app.add_url_rule("/big", "big", limiter.limit("1/minute", override_base=True)(page()))
    assert codes(app, "/big", "/big", "/big") == [200, 429, 429]
    assert left(app.test_client().get("/")) == ("2", "1")


def test_on_a_function_that_is_no_view_it_changes_nothing(make: Make) -> None:
    app, limiter = make(base_limit=1)
    search = limiter.limit("5/minute", override_base=True)(page())
    app.add_url_rule("/search", "search", lambda: search())
    assert codes(app, "/search", "/search") == [200, 429]


def test_operators_see_which_limits_replace_it(make: Make) -> None:
    app, limiter = make(base_limit=1, authorize=lambda scope: "ann")
    app.add_url_rule("/big", "big", limiter.limit("5/minute", override_base=True)(page()))
    app.add_url_rule("/plan", "plan", limiter.limit(lambda: None, override_base=True)(page()))
    found: Any = app.test_client().get("/admin/limits").json
    assert {row["route"]: row["limits"] for row in found["routes"]} == {
        "/": [],
        "/big": ["5 per 60 seconds (instead of base_limit)"],
        "/plan": ["by a function (instead of base_limit)"],
    }
