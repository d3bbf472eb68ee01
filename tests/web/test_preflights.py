"""CORS preflights are answered though the client is over its limit: its page can read why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, request
from flask_cors import CORS, cross_origin
from werkzeug.routing import Rule

from flask_irl import IntelligentLimiter
from flask_irl.limits.limit import MAX_AMOUNT
from flask_irl.web.preflights import LEAST, TIMES_BASE
from tests.recorder import Recorder
from tests.web.sites import sites_of

LIMIT = 3
PAGE = "https://shop.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}


class Site:
    """An app with one route ``/order``."""

    def __init__(
        self, build: Callable[[Flask, IntelligentLimiter], object], **options: Any
    ) -> None:
        self.app = Flask("site")
        self.listener = Recorder()
        given = {"base_limit": LIMIT, "background": False, "listener": self.listener, **options}
        self.limiter = IntelligentLimiter(self.app, **given)
        build(self.app, self.limiter)

    def ask(self, method: str = "POST", **headers: str) -> Any:
        return self.app.test_client().open("/order", method=method, headers=headers or {})

    def preflight(self) -> Any:
        return self.ask("OPTIONS", **PREFLIGHT)

    def exhaust(self) -> None:
        while self.ask(Origin=PAGE).status_code != 429:
            pass


def new_view() -> Callable[[], str]:
    """Make a view of one's own: cross_origin() leaves notes on it."""
    return lambda: "ordered"


def by_flask(app: Flask, limiter: IntelligentLimiter) -> None:
    app.add_url_rule("/order", "order", new_view(), methods=["POST"])


def by_cors(app: Flask, limiter: IntelligentLimiter) -> None:
    CORS(app, expose_headers=["Retry-After"])
    by_flask(app, limiter)


def by_cors_before_us(app: Flask, limiter: IntelligentLimiter) -> None:
    by_cors(app, limiter)
    app.before_request_funcs[None].reverse()


def by_cross_origin(app: Flask, limiter: IntelligentLimiter) -> None:
    app.add_url_rule("/order", "order", cross_origin()(new_view()), methods=["POST"])


def by_cross_origin_below_a_limit(app: Flask, limiter: IntelligentLimiter) -> None:
    view = limiter.limit("2/minute")(cross_origin()(new_view()))
    app.add_url_rule("/order", "order", view, methods=["POST"])


def by_cross_origin_above_a_limit(app: Flask, limiter: IntelligentLimiter) -> None:
    view = cross_origin()(limiter.limit("2/minute")(new_view()))
    app.add_url_rule("/order", "order", view, methods=["POST"])


def by_a_hook_before_us(app: Flask, limiter: IntelligentLimiter) -> None:
    app.before_request(lambda: "" if request.method == "OPTIONS" else None)
    app.before_request_funcs[None].reverse()
    by_flask(app, limiter)


def by_a_blueprint(app: Flask, limiter: IntelligentLimiter) -> None:
    shop = Blueprint("shop", "shop")
    CORS(shop)
    shop.add_url_rule("/order", "order", new_view(), methods=["POST"])
    app.register_blueprint(shop)


BUILDS = [
    by_flask,
    by_cors,
    by_cors_before_us,
    by_cross_origin,
    by_cross_origin_below_a_limit,
    by_cross_origin_above_a_limit,
    by_a_hook_before_us,
    by_a_blueprint,
]


@pytest.fixture
def build() -> Iterator[Callable[..., Site]]:
    """Make sites; their limiters are closed when the test ends."""
    yield from sites_of(Site)


@pytest.mark.parametrize("cors", BUILDS)
def test_preflights_count_for_nothing_and_are_not_refused(
    build: Callable[..., Site], cors: Any
) -> None:
    site = build(cors)
    assert {site.preflight().status_code for _ in range(2 * LIMIT)} == {200}
    assert site.ask(Origin=PAGE).status_code == 200
    site.exhaust()
    assert {site.preflight().status_code for _ in range(2 * LIMIT)} == {200}
    assert len(site.listener.exempt) == 4 * LIMIT
    assert site.listener.swallowed_at == []


def test_on_redis_they_are_not_asked_about_ahead(
    build: Callable[..., Site], redis_url: str
) -> None:
    site = build(by_cors, storage_uri=redis_url, store_timeout=5.0)
    for _ in range(4):
        assert site.preflight().status_code == 200
    answer = site.ask(Origin=PAGE)
    assert answer.headers["X-RateLimit-Remaining"] == str(LIMIT - 1)


def test_the_refusal_after_it_can_be_read_by_the_page(build: Callable[..., Site]) -> None:
    site = build(by_cors)
    site.exhaust()
    answer = site.ask(Origin=PAGE)
    assert answer.status_code == 429
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", PAGE)
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"


def test_a_flood_of_them_is_refused_and_costs_the_client_nothing_else(
    build: Callable[..., Site],
) -> None:
    site = build(by_cors)
    most = max(LEAST, TIMES_BASE * LIMIT)
    statuses = [site.preflight().status_code for _ in range(most + 5)]
    assert statuses == [200] * most + [429] * 5
    assert int(site.preflight().headers["Retry-After"]) > 0
    assert site.ask(Origin=PAGE).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": PAGE}, {"Access-Control-Request-Method": "POST"}],
    ids=["none", "Origin", "the method"],
)
def test_another_request_of_that_method_counts(
    build: Callable[..., Site], headers: dict[str, str]
) -> None:
    site = build(by_cors)
    statuses = [site.ask("OPTIONS", **headers).status_code for _ in range(LIMIT + 1)]
    assert statuses == [200] * LIMIT + [429]


def test_an_app_that_answers_options_by_code_of_its_own_has_it_counted(
    build: Callable[..., Site],
) -> None:
    def own(app: Flask, limiter: IntelligentLimiter) -> None:
        app.add_url_rule("/order", "order", new_view(), methods=["OPTIONS", "POST"])

    site = build(own)
    assert [site.preflight().status_code for _ in range(LIMIT + 1)] == [200] * LIMIT + [429]


def test_a_rule_that_the_app_made_by_itself_is_limited(build: Callable[..., Site]) -> None:
    def bare(app: Flask, limiter: IntelligentLimiter) -> None:
        app.url_map.add(Rule("/order", endpoint="order", methods=["OPTIONS", "POST"]))
        app.view_functions["order"] = cross_origin()(new_view())

    site = build(bare)
    assert site.preflight().status_code == 200
    statuses = [site.ask("OPTIONS").status_code for _ in range(LIMIT + 1)]
    assert statuses == [200] * LIMIT + [429]
    assert site.listener.swallowed_at == []


def test_one_that_a_limited_function_refuses_is_refused_for_metrics_too(
    build: Callable[..., Site],
) -> None:
    def by_a_limited_hook(app: Flask, limiter: IntelligentLimiter) -> None:
        count = limiter.limit("1/minute")(lambda: None)
        app.before_request(count)
        app.before_request_funcs[None].reverse()
        by_flask(app, limiter)

    site = build(by_a_limited_hook)
    assert [site.preflight().status_code for _ in range(2)] == [200, 429]
    assert site.listener.outcomes == ["limited"]


def test_they_need_no_key_function(build: Callable[..., Site]) -> None:
    site = build(by_cors, key_func=lambda: request.headers["X-Client"])
    assert site.preflight().status_code == 200
    assert site.listener.swallowed_at == []


def test_the_largest_base_limit_is_allowed() -> None:
    limiter = IntelligentLimiter(Flask("site"), base_limit=MAX_AMOUNT, background=False)
    limiter.close()
