"""Exempt and limit routes by patterns of the configuration."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dash import Dash, html
from flask import Blueprint, Flask
from werkzeug.routing import Map, Rule

from flask_irl import IntelligentLimiter
from flask_irl.telemetry.events import RequestExempted
from flask_irl.web.patterns import Pattern, Reach
from flask_irl.web.state import state_of
from tests.docs.blocks import section
from tests.recorder import Recorder

Limited = Callable[..., IntelligentLimiter]
LIMITS = "X-RateLimit-Limit"
DASH_ASSETS = "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>"


@pytest.fixture
def limited() -> Iterator[Limited]:
    """Add limiters to apps, and end them afterwards."""
    made: list[IntelligentLimiter] = []

    def add(app: Flask, **options: Any) -> IntelligentLimiter:
        given = {"storage_uri": "memory://", "background": False, **options}
        made.append(IntelligentLimiter(app, **given))
        return made[-1]

    yield add
    for limiter in made:
        limiter.close()


def page(**_: str) -> str:
    return "page"


def codes(app: Flask, *paths: str) -> list[int]:
    return [app.test_client().get(path).status_code for path in paths]


@pytest.mark.parametrize(
    ("pattern", "rule", "reach"),
    [
        ("/health", "/health", "whole"),
        ("/health", "/healthy", "none"),
        ("/health", "/health/", "none"),
        ("/api/*", "/api/users/<int:id>", "whole"),
        ("/api/*", "/api", "none"),
        ("/users/<int:id>", "/users/<int:id>", "whole"),
        ("/users/*", "/users/<int:id>", "whole"),
        ("/users/*/edit", "/users/<id>/edit", "whole"),
        ("/users/*/edit", "/users/<id>/show", "none"),
        ("/users/?", "/users/<id>", "part"),
        ("/users/[!a]*", "/users/<id>", "part"),
        ("/users/[ab]*", "/users/<id>", "part"),
        ("/users/me", "/users/<id>", "part"),
        ("/users/me", "/users/<id>/edit", "none"),
        ("/health", "/<path:path>", "part"),
        ("/assets/*", "/<path:path>", "part"),
        ("/assets/*.js", "/assets/<path:name>", "part"),
        ("/assets/*.js", "/assets/<path:name>.css", "none"),
        ("/*", "/<path:path>", "whole"),
        ("/_dash-component-suites/*", DASH_ASSETS, "whole"),
        ("/x/*", '/x/<any("a>b",c):name>', "whole"),
        ("endpoint:page", "/anything", "whole"),
        ("endpoint:p*", "/anything", "whole"),
        ("endpoint:other", "/page", "none"),
        ("endpoint:/page", "/page", "none"),
    ],
)
def test_how_much_of_a_rule_a_pattern_matches(pattern: str, rule: str, reach: Reach) -> None:
    bound = Rule(rule, endpoint="page")
    Map([bound])
    assert Pattern(pattern).reach(bound.rule, bound.endpoint) == reach


def test_routes_are_exempt_by_path_and_by_endpoint(limited: Limited) -> None:
    app = Flask("site")
    shop = Blueprint("shop", "shop", url_prefix="/shop")
    for path in ("/health", "/files/<path:name>", "/static-file", "/other"):
        app.add_url_rule(path, path.strip("/").partition("/")[0], page)
    shop.add_url_rule("/", "index", page)
    app.register_blueprint(shop)
    limited(app, exempt="/health, /files/*,endpoint:static-*,endpoint:shop.index", base_limit=1)
    client = app.test_client()
    for path in ("/health", "/files/a/b", "/static-file", "/shop/"):
        assert LIMITS not in client.get(path).headers
    assert codes(app, "/other", "/other", "/health") == [200, 429, 200]


def test_all_that_a_pattern_matches_counts_together(limited: Limited) -> None:
    app = Flask("site")
    for path in ("/api/export/rows", "/api/export/<int:id>", "/api/other"):
        app.add_url_rule(path, path, page)
    limited(app, limits={"/api/export/*": "2/minute"})
    paths = ("/api/export/rows", "/api/export/7", "/api/export/8", "/api/other")
    assert codes(app, *paths) == [200, 200, 429, 200]


def test_a_pattern_holds_beside_decorators_and_instead_of_defaults(limited: Limited) -> None:
    app = Flask("site")
    limiter = limited(app, limits={"/a*": "3/minute"}, default_limits="1/minute")
    app.add_url_rule("/a", "a", limiter.limit("2/minute")(page))
    app.add_url_rule("/ab", "ab", page)
    assert codes(app, "/a", "/a", "/a") == [200, 200, 429]
    assert codes(app, "/ab", "/ab") == [200, 429]


def test_exempt_goes_before_limits(limited: Limited) -> None:
    app = Flask("site")
    app.add_url_rule("/a", "a", page)
    limited(app, exempt=["/a"], limits={"/a": "1/minute"})
    assert codes(app, "/a", "/a") == [200, 200]


def test_some_paths_of_a_catch_all(limited: Limited) -> None:
    app = Flask("site")
    app.add_url_rule("/<path:path>", "everything", page)
    limited(app, exempt=["/health", "/assets/*"], limits={"/export*": "1/minute"}, base_limit=3)
    assert codes(app, *["/health", "/assets/a.js"] * 3) == [200] * 6
    assert codes(app, "/export", "/exports/1", "/a") == [200, 429, 200]
    assert codes(app, "/b", "/c", "/health") == [200, 429, 200]


def test_a_static_route_can_be_limited(limited: Limited) -> None:
    app = Flask("site", static_folder=".", static_url_path="/files")
    limited(app, limits={"/files/*": "1/minute"})
    assert codes(app, "/files/none", "/files/none") == [404, 429]


def test_paths_below_a_mount_are_the_apps_own(limited: Limited) -> None:
    app = Flask("site")
    app.add_url_rule("/<path:path>", "everything", page)
    limited(app, exempt=["/health"], base_limit=1)
    client = app.test_client()
    for _ in range(2):
        answer = client.get("/health", base_url="http://localhost/mounted")
        assert answer.status_code == 200


def test_clients_over_the_limit_are_still_refused_early(limited: Limited) -> None:
    app = Flask("site")
    seen_by_flask: list[object] = []
    app.teardown_request(seen_by_flask.append)
    app.add_url_rule("/<path:path>", "everything", page)
    limited(app, exempt=["/health"], limits={"/export*": "1/minute"})
    assert codes(app, *["/export"] * 5) == [200, 429, 429, 429, 429]
    # The first refusal shows that the app has nothing of its own to say.
    assert len(seen_by_flask) == 2


def test_what_is_exempt_is_counted_as_such(limited: Limited) -> None:
    app, listener = Flask("site"), Recorder()
    app.add_url_rule("/<path:path>", "everything", page)
    limited(app, exempt=["/health"], listener=listener)
    codes(app, "/health", "/health")
    assert listener.events == [RequestExempted("/<path:path>")] * 2


def test_a_pattern_that_matches_nothing_is_told_once(
    limited: Limited, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("site")
    limited(app, exempt=["/helth", "/late"], limits={"endpoint:exprot": "1/minute"})
    app.add_url_rule("/health", "health", page)
    app.add_url_rule("/late", "late", page)
    with caplog.at_level(logging.WARNING, "flask_irl"):
        codes(app, "/health", "/late", "/health")
    assert [record.getMessage() for record in caplog.records] == [
        "pattern_matches_nothing option=IRL_EXEMPT pattern=/helth",
        "pattern_matches_nothing option=IRL_LIMITS pattern=endpoint:exprot",
    ]


def test_operators_see_them(limited: Limited) -> None:
    app = Flask("site", static_folder=None)
    app.add_url_rule("/users/<name>", "user", page)
    limits = {"/users/*": "9/minute"}
    limited(app, exempt=["/users/me"], limits=limits, authorize=lambda scope: "ada")
    shown: Any = app.test_client().get("/admin/limits").json
    assert shown["exempt"] == ["/users/me"]
    assert shown["limits"] == {"/users/*": ["9 per 60 seconds"]}
    assert {row["route"]: (row["exempt"], row["limits"]) for row in shown["routes"]} == {
        "/users/<name>": (False, ["9 per 60 seconds (shared)"]),
        "/users/<name> (/users/me)": (True, []),
    }


def test_a_dash_app_is_limited_without_its_assets(limited: Limited) -> None:
    app = Flask("site")
    dash = Dash("site", server=app)  # type: ignore[arg-type]
    dash.layout = html.Div("hello")
    limited(
        app,
        base_limit=3,
        exempt=["/_dash-component-suites/*", "endpoint:/_dash-layout", "/_dash-dependencies"],
        limits={"/_dash-update-component": "1/minute"},
    )
    client = app.test_client()
    first = client.get("/")
    assert first.headers[LIMITS] == "3"
    scripts = [part.partition('"')[0] for part in first.text.split('src="')[1:]]
    assert len(scripts) > 5
    for path in (*scripts, "/_dash-layout", "/_dash-dependencies"):
        answer = client.get(path)
        assert (answer.status_code, LIMITS in answer.headers) == (200, False), path
        answer.close()

    def update() -> int:
        return client.post("/_dash-update-component", json={}).status_code

    assert [update() == 429 for _ in range(2)] == [False, True]
    assert client.get("/page/of/its/own").headers["X-RateLimit-Remaining"] == "0"


def test_the_table_of_routes_does_not_grow_with_paths(limited: Limited) -> None:
    app = Flask("site")
    app.add_url_rule("/<path:path>", "everything", page)
    limited(app, exempt=["/health*"], base_limit=1000)
    codes(app, *(f"/health/{n}" for n in range(50)), *(f"/{n}" for n in range(50)))
    assert len(state_of(app).routes) == 2


def test_the_pages_dash_app_runs_as_it_is_written(caplog: pytest.LogCaptureFixture) -> None:
    text = section("limits.md", "Apps you didn't write")
    [block] = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "yourapp"}
    exec(block, names)  # noqa: S102 - our own page
    client = names["site"].server.test_client()
    with caplog.at_level(logging.WARNING, "flask_irl"):
        assert LIMITS in client.get("/").headers
    assert LIMITS not in client.get("/_dash-layout").headers
    names["limiter"].close()
    assert caplog.messages == []
