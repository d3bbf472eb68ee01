from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, request
from flask.views import MethodView
from werkzeug.test import TestResponse

from flask_irl import IntelligentLimiter
from flask_irl.web.routes import UNMATCHED
from flask_irl.web.state import AppState, state_of
from tests.recorder import Recorder


class Site:
    """An app with a limiter on the embedded store."""

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        self.listener = Recorder()
        self.app = app or Flask("site")
        self.limiter = IntelligentLimiter(
            self.app, background=False, storage_uri="memory://", listener=self.listener, **options
        )

    @property
    def state(self) -> AppState:
        return state_of(self.app)

    def get(self, path: str, method: str = "GET", **arguments: Any) -> TestResponse:
        """Ask for something."""
        return self.app.test_client().open(path, method=method, **arguments)

    def left(self) -> int:
        """What is left of the limit on everything, by asking for what is no route."""
        return int(self.get("/what/is/no/route").headers["X-RateLimit-Remaining"])

    def scopes(self, path: str, method: str = "GET") -> dict[str, list[tuple[int, int]]]:
        """What a request's plan counts: each scope's limits, as amount and window."""
        with self.app.test_request_context(path, method=method):
            route = self.state.routes.route(self.app, request.url_rule, method)
            plan = self.state.questions.question(route, "client").plan
        return {s.name: [(x.amount, x.window_seconds) for x in s.limits] for s in plan.scopes}


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.state.limiter.close()


BASE = {"": [(100, 60)]}


# What no route answers


def test_404_counts_against_the_limit_on_everything() -> None:
    site = Site(base_limit=2)
    assert [site.get(path).status_code for path in ("/a", "/b", "/c")] == [404, 404, 429]
    assert site.listener.decided_on == [UNMATCHED] * 3


def test_405_counts_against_the_limit_on_everything_and_not_the_routes() -> None:
    site = Site(base_limit=4)
    site.app.add_url_rule("/x", "x", site.limiter.limit("1/minute")(lambda: ""))
    assert [site.get("/x", "POST").status_code for _ in range(3)] == [405] * 3
    assert site.get("/x").status_code == 200
    assert site.get("/x", "POST").status_code == 429
    assert site.listener.decided_on == [UNMATCHED, UNMATCHED, UNMATCHED, "/x", UNMATCHED]


def test_a_redirect_to_the_slash_counts_against_the_limit_on_everything(site: Site) -> None:
    site.app.add_url_rule("/x/", "x", site.limiter.limit("1/minute")(lambda: ""))
    assert [site.get("/x").status_code for _ in range(3)] == [308] * 3
    assert site.left() == 96


def test_default_limits_do_not_hold_where_no_route_is() -> None:
    site = Site(default_limits="1/minute")
    assert [site.get("/nothing").status_code for _ in range(3)] == [404] * 3


# Methods


def test_head_counts_as_get(site: Site) -> None:
    site.app.add_url_rule("/x", "x", site.limiter.limit("2/minute")(lambda: ""))
    assert [site.get("/x", m).status_code for m in ("GET", "HEAD", "HEAD", "GET")] == [
        *(200, 200),
        *(429, 429),
    ]


@pytest.mark.parametrize(
    "arguments", [{"per_method": True}, {"methods": ["GET"]}, {"methods": ["get", "HEAD"]}]
)
def test_head_counts_as_get_also_where_methods_are_told_apart(
    site: Site, arguments: dict[str, Any]
) -> None:
    view = site.limiter.limit("2/minute", **arguments)(lambda: "")
    site.app.add_url_rule("/x", "x", view, methods=["GET", "POST"])
    assert [site.get("/x", m).status_code for m in ("GET", "HEAD", "HEAD", "GET")] == [
        *(200, 200),
        *(429, 429),
    ]
    assert site.get("/x", "POST").status_code == 200


def test_a_limit_on_head_alone_leaves_get_alone(site: Site) -> None:
    site.app.add_url_rule("/x", "x", site.limiter.limit("1/minute", methods=["HEAD"])(lambda: ""))
    assert [site.get("/x").status_code for _ in range(3)] == [200] * 3
    assert [site.get("/x", "HEAD").status_code for _ in range(2)] == [200, 429]


def test_per_method_counts_each_method_by_itself(site: Site) -> None:
    view = site.limiter.limit("2/minute", per_method=True)(lambda: "")
    site.app.add_url_rule("/x", "x", view, methods=["GET", "POST", "PUT"])
    for method in ("GET", "POST", "PUT"):
        assert [site.get("/x", method).status_code for _ in range(3)] == [200, 200, 429]


def test_methods_are_limited_where_they_are_named_and_only_there(site: Site) -> None:
    view = site.limiter.limit("2/minute", methods=["post", "PUT"])(lambda: "")
    site.app.add_url_rule("/x", "x", view, methods=["GET", "POST", "PUT"])
    assert [site.get("/x", m).status_code for m in ("POST", "PUT", "POST")] == [200, 200, 429]
    assert [site.get("/x").status_code for _ in range(4)] == [200] * 4
    assert site.left() == 93


def test_limits_for_different_methods_count_apart(site: Site) -> None:
    view = site.limiter.limit("5/minute", methods=["GET"])(lambda: "")
    view = site.limiter.limit("2/minute", methods=["POST"])(view)
    site.app.add_url_rule("/x", "x", view, methods=["GET", "POST"])
    assert [site.get("/x").status_code for _ in range(4)] == [200] * 4
    assert [site.get("/x", "POST").status_code for _ in range(3)] == [200, 200, 429]


def test_default_limits_hold_for_the_methods_that_no_limit_names() -> None:
    site = Site(default_limits="3/minute")
    view = site.limiter.limit("1/minute", methods=["POST"])(lambda: "")
    site.app.add_url_rule("/x", "x", view, methods=["GET", "POST"])
    assert site.scopes("/x") == {**BASE, "x": [(3, 60)]}
    assert site.scopes("/x", "POST") == {**BASE, "x:POST": [(1, 60)]}


def test_automatic_options_count_against_the_limit_on_everything_only() -> None:
    site = Site(base_limit=3)
    site.app.add_url_rule("/x", "x", site.limiter.limit("1/minute")(lambda: ""))
    assert [site.get("/x", "OPTIONS").status_code for _ in range(2)] == [200] * 2
    assert site.get("/x").status_code == 200
    assert site.get("/x", "OPTIONS").status_code == 429


def test_options_of_a_views_own_are_limited_as_the_view(site: Site) -> None:
    view = site.limiter.limit("1/minute")(lambda: "mine")
    site.app.add_url_rule("/x", "x", view, methods=["GET", "OPTIONS"])
    assert [site.get("/x", "OPTIONS").status_code for _ in range(2)] == [200, 429]


def test_options_of_a_method_view(site: Site) -> None:
    class Page(MethodView):
        @site.limiter.limit("1/minute")
        def options(self) -> str:
            return "mine"

        def get(self) -> str:
            return "got"

    site.app.add_url_rule("/x", view_func=Page.as_view("x"))
    assert [site.get("/x", "OPTIONS").status_code for _ in range(2)] == [200, 429]
    assert site.get("/x").status_code == 200


# Static files


def test_static_files_are_exempt(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "a.css").write_text("a {}")
    site = Site(Flask("site", static_folder=folder), base_limit=1)
    shop = Blueprint("shop", "shop", static_folder=folder, url_prefix="/shop")
    site.app.register_blueprint(shop)
    for path in ("/static/a.css", "/shop/static/a.css"):
        responses = [site.get(path) for _ in range(3)]
        assert [r.status_code for r in responses] == [200] * 3
        assert "X-RateLimit-Limit" not in responses[0].headers
        for response in responses:
            response.close()
    # Asking for files that aren't there is no way to go on unseen, though.
    assert [site.get("/robots.txt").status_code for _ in range(2)] == [404, 429]
    assert "/static/<path:filename>" in site.listener.exempt


def test_a_view_that_is_merely_called_static_is_limited() -> None:
    site = Site(Flask("site", static_folder=None), base_limit=2)
    site.app.add_url_rule("/x", "static", lambda: "")
    shop = Blueprint("shop", "shop", url_prefix="/shop")
    shop.add_url_rule("/y", "static", lambda: "")
    site.app.register_blueprint(shop)
    assert [site.get(path).status_code for path in ("/x", "/shop/y", "/x")] == [200, 200, 429]


# Default limits


def test_default_limits_count_each_route_by_itself() -> None:
    site = Site(default_limits=["2/minute", "100/hour"])
    site.app.add_url_rule("/x", "x", lambda: "")
    site.app.add_url_rule("/y", "y", lambda: "")
    for path in ("/x", "/y"):
        assert [site.get(path).status_code for _ in range(3)] == [200, 200, 429]
    assert site.scopes("/x") == {**BASE, "x": [(2, 60), (100, 3600)]}


def test_a_routes_own_limit_replaces_the_defaults() -> None:
    site = Site(default_limits="2/minute")
    site.app.add_url_rule("/x", "x", site.limiter.limit("3/minute")(lambda: ""))
    assert [site.get("/x").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_routes_own_limit_may_be_added_to_the_defaults() -> None:
    site = Site(default_limits="2/minute")
    view = site.limiter.limit("30/hour", override_defaults=False)(lambda: "")
    site.app.add_url_rule("/x", "x", view)
    assert site.scopes("/x") == {**BASE, "x": [(2, 60), (30, 3600)]}


@pytest.mark.parametrize("override", [True, False])
def test_a_shared_and_a_dynamic_limit_replace_the_defaults_or_do_not(override: bool) -> None:
    site = Site(default_limits="2/minute")
    shared = site.limiter.shared_limit("9/hour", "all", override_defaults=override)
    dynamic = site.limiter.limit(lambda: "8/hour", override_defaults=override)
    site.app.add_url_rule("/s", "s", shared(lambda: ""))
    site.app.add_url_rule("/d", "d", dynamic(lambda: ""))
    own = {**BASE, "shared:all": [(9, 3600)]}
    assert site.scopes("/s") == (own if override else {**own, "s": [(2, 60)]})
    added = {"d": [(2, 60)], "d#0": [(8, 3600)]}
    assert site.scopes("/d") == {**BASE, **({"d": [(8, 3600)]} if override else added)}


def test_a_blueprints_limit_replaces_the_defaults() -> None:
    site = Site(default_limits="1/minute")
    shop = Blueprint("shop", "shop")
    shop.add_url_rule("/x", "x", lambda: "")
    site.limiter.limit("2/minute")(shop)
    site.app.register_blueprint(shop)
    assert site.scopes("/x") == {**BASE, "shop.x": [(2, 60)]}


# What is kept of a route


def test_fixed_limits_have_one_plan_for_all_requests(site: Site) -> None:
    site.app.add_url_rule("/x", "x", site.limiter.limit("2/minute;3/hour")(lambda: ""))
    with site.app.test_request_context("/x"):
        questions = site.state.questions
        route = site.state.routes.route(site.app, request.url_rule, "GET")
        one, two = questions.question(route, "one"), questions.question(route, "two")
    assert one.plan is two.plan
    assert (one.keys_for("one"), two.keys_for("two")) == (("one", "one"), ("two", "two"))


def test_a_longer_window_that_comes_up_lengthens_the_plans_made_before(site: Site) -> None:
    site.app.add_url_rule("/x", "x", lambda: "")
    site.app.add_url_rule("/y", "y", site.limiter.limit("9/day")(lambda: ""))
    with site.app.test_request_context("/"):
        routes, questions = site.state.routes, site.state.questions
        by_path = {
            rule.rule: routes.route(site.app, rule, "GET") for rule in site.app.url_map.iter_rules()
        }
        before = questions.question(by_path["/x"], "c").plan
        longest = questions.question(by_path["/y"], "c").plan
        after = questions.question(by_path["/x"], "c").plan
    assert before.ttl_seconds < longest.ttl_seconds == after.ttl_seconds == 2 * 86_400


def test_endpoints_with_dots_and_odd_rules(site: Site) -> None:
    site.app.add_url_rule("/x/<path:rest>", "no.such.blueprint", lambda rest: rest)
    assert site.get("/x/a/../%00%ff/ä").status_code == 200
    assert site.listener.decided_on == ["/x/<path:rest>"]


def test_labels_do_not_grow_with_what_clients_send(site: Site) -> None:
    for n in range(20):
        site.get(f"/nothing/{n}")
        site.get(f"/nothing/{n}", f"METHOD{n}")
    assert set(site.listener.decided_on) == {UNMATCHED}


def test_routes_do_not_grow_with_the_methods_that_clients_invent() -> None:
    site = Site(admin_token="0123456789abcdef")
    assert site.get("/admin/nothing", "METHOD").status_code == 404
    before = len(site.state.routes)
    for n in range(50):
        assert site.get("/admin/nothing", f"METHOD{n}").status_code in (404, 429)
    assert len(site.state.routes) == before


def add_any(site: Site, view: Any) -> None:
    """Add a route that takes any method, as extensions do."""
    site.app.view_functions["any"] = view
    site.app.url_map.add(site.app.url_rule_class("/any", endpoint="any"))


def test_methods_that_a_limit_names_are_told_apart_where_a_route_takes_any(site: Site) -> None:
    view = site.limiter.limit("1/minute", methods=["PURGE"])(lambda: "")
    add_any(site, site.limiter.limit("2/minute", methods=["BAN"])(view))
    assert [site.get("/any", "PURGE").status_code for _ in range(2)] == [200, 429]
    assert [site.get("/any", "BAN").status_code for _ in range(3)] == [200, 200, 429]
    assert [site.get("/any", "INVENTED").status_code for _ in range(3)] == [200] * 3


def test_invented_methods_count_together_where_a_route_takes_any(site: Site) -> None:
    add_any(site, site.limiter.limit("2/minute", per_method=True)(lambda: ""))
    answers = [site.get("/any", f"INVENTED{n}").status_code for n in range(3)]
    assert answers == [200, 200, 429]
    assert site.get("/any").status_code == 200
