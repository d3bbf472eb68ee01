from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.routing import BaseConverter, Map, Rule

from flask_irl.replay.routes import RouteFolder, fold


class Fussy(BaseConverter):
    """Fail in a way that nobody expects."""

    def to_python(self, value: str) -> int:
        return {"one": 1}[value]


APP = Map(
    [
        Rule("/", endpoint="index"),
        Rule("/api/data", endpoint="data", methods=["GET"]),
        Rule("/api/process", endpoint="process", methods=["POST"]),
        Rule("/user/<int:id>/", endpoint="user"),
        Rule("/user/<name>/", endpoint="name"),
        Rule("/static/<path:filename>", endpoint="static"),
        Rule("/fussy/<fussy:x>", endpoint="fussy"),
        Rule("/old", endpoint="old", redirect_to="https://elsewhere.example/new"),
        Rule("/loop/<x>", endpoint="loop", redirect_to="/loop/<x>"),
    ],
    converters={"fussy": Fussy},
)


@pytest.mark.parametrize(
    "method, path, route",
    [
        ("GET", "/", "/"),
        ("HEAD", "/api/data", "/api/data"),
        ("GET", "/user/7/", "/user/<int:id>/"),
        ("GET", "/user/joe/", "/user/<name>/"),
        ("GET", "/user/caf%C3%A9%20noir/", "/user/<name>/"),
        ("GET", "/static/css/a.css", "/static/<path:filename>"),
        ("GET", "/fussy/one", "/fussy/<fussy:x>"),
    ],
)
def test_a_path_of_the_app_gets_its_rule(method: str, path: str, route: str) -> None:
    assert RouteFolder(APP).route(method, path) == route


@pytest.mark.parametrize("path", ["/user/7", "//user/7/", "/user//7"])
def test_a_path_that_is_redirected_gets_the_rule_it_leads_to(path: str) -> None:
    assert RouteFolder(APP).route("GET", path) == "/user/<int:id>/"


@pytest.mark.parametrize("method", ["GET", "DELETE", "BREW", "BAD", "", "\0" * 1_000])
def test_a_method_that_is_refused_gets_the_rule_of_the_path(method: str) -> None:
    assert RouteFolder(APP).route(method, "/api/process") == "/api/process"


@pytest.mark.parametrize(
    "path, route",
    [
        ("/api/12", "/api/<int>"),
        ("/fussy/two", "/fussy/two"),
        ("/old", "/old"),
        ("/loop/x", "/loop/x"),
        ("-", "<bad>"),
    ],
)
def test_a_path_that_is_none_of_the_app_s_is_folded(path: str, route: str) -> None:
    assert RouteFolder(APP).route("GET", path) == route


@pytest.mark.parametrize(
    "path, pattern",
    [
        ("/", "/"),
        ("/feed/", "/feed/"),
        ("/a//b///c", "/a/b/c"),
        ("/2015/08/10/", "/<int>/<int>/<int>/"),
        ("/2015/08/10/some-title-of-mine/", "/<int>/<int>/<int>/<slug>/"),
        ("/2013/05/16/my-codenvy/", "/<int>/<int>/<int>/<slug>/"),
        ("/2013/05/16/codenvy/", "/<int>/<int>/<int>/codenvy/"),
        ("/posts/2015-08-10", "/posts/<date>"),
        ("/posts/17.html", "/posts/<int>.html"),
        ("/u/123e4567-e89b-12d3-a456-426614174000/edit", "/u/<uuid>/edit"),
        ("/c/d670460b4b4aece5915caf5c68d12f560a9fe3e4", "/c/<hex>"),
        ("/tag/facade", "/tag/facade"),
        ("/t/x1y22z333q4444", "/t/<token>"),
        ("/x/" + "y" * 25, "/x/<slug>"),
        ("/wp-login.php", "/wp-login.php"),
        ("/wp-comments-post.php", "/<slug>.php"),
        ("/.env", "/.env"),
        ("/app/.env.production.local", "/app/.env.production.local"),
        ("/robots.txt", "/robots.txt"),
        ("/favicon.ico", "/<*.ico>"),
        ("/wp-content/themes/x/style.CSS", "/wp-content/<*.css>"),
        ("/2015/08/photo-1.jpeg", "/<int>/<*.jpeg>"),
        ("/api/v1/users/9", "/api/v1/users/<int>"),
        ("/tag/größe", "/tag/<str>"),
        ("/tag/a b", "/tag/<str>"),
        ("/tag/<int>", "/tag/<str>"),
        ("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h"),
        ("/a/b/c/d/e/f/g/h/i", "/a/b/c/d/e/f/g/<other>"),
    ],
)
def test_folding(path: str, pattern: str) -> None:
    assert fold(path) == pattern
    assert RouteFolder().route("GET", path) == pattern


def test_a_path_is_decoded_before_it_is_folded() -> None:
    assert RouteFolder().route("GET", "/%31%32/x") == "/<int>/x"


def test_a_path_without_a_slash_is_bad() -> None:
    assert {RouteFolder().route("BAD", path) for path in ("-", "", "*", "x:443")} == {"<bad>"}


def test_a_directory_gets_its_share_of_the_patterns_and_no_more() -> None:
    folder = RouteFolder(max_routes=100)
    routes = [folder.route("GET", f"/category/{name}") for name in words(50)]
    assert len(set(routes)) == 11
    assert set(routes[10:]) == {"/category/<other>"}
    assert folder.route("GET", "/about") == "/about"


def test_late_paths_keep_their_directory_while_there_is_room() -> None:
    folder = RouteFolder(max_routes=100)
    for name in words(90):
        folder.route("GET", f"/{name}")
    assert folder.route("GET", "/late") == "<other>"
    assert folder.route("GET", "/api/late") == "/api/<other>"
    for name in words(90):
        folder.route("GET", f"/{name}/x")
    assert folder.route("GET", "/later/y") == "<other>"


def test_a_path_has_the_same_route_every_time() -> None:
    folder = RouteFolder(max_routes=20)
    paths = [f"/{a}/{b}" for a in words(30) for b in words(5)]
    first = [folder.route("GET", path) for path in paths]
    # More than the cache holds, so that the routes are found anew.
    for number in range(10_000):
        folder.route("GET", f"/{number}/{'x' * (number % 20)}")
    assert [folder.route("GET", path) for path in paths] == first


def test_too_few_routes_are_refused() -> None:
    with pytest.raises(ValueError, match="max_routes is 1; at least 2"):
        RouteFolder(max_routes=1)


ANY_PATH = st.one_of(
    st.text(),
    st.text().map("/{}".format),
    st.lists(st.sampled_from(["a", "b-c", "7", "%2e%2e", "x.css", "é", "", "%00", "z" * 2_000]))
    .map("/".join)
    .map("/{}".format),
)


@given(
    st.lists(st.tuples(st.sampled_from(["GET", "POST", "", "\0"]) | st.text(), ANY_PATH)),
    st.integers(2, 12),
)
def test_routes_are_bounded_whatever_comes_in(
    requests: list[tuple[str, str]], max_routes: int
) -> None:
    plain = {RouteFolder(None, max_routes).route(method, path) for method, path in requests}
    assert all(route.isascii() and route.isprintable() and len(route) <= 250 for route in plain)
    folder = RouteFolder(None, max_routes)
    assert len({folder.route(method, path) for method, path in requests}) <= max_routes
    rules = {str(rule.rule) for rule in APP.iter_rules()}
    folder = RouteFolder(APP, max_routes)
    routes = {folder.route(method, path) for method, path in requests}
    assert len(routes - rules) <= max_routes


def words(count: int) -> list[str]:
    return [a + b for a in "abcdefghij" for b in "klmnopqrst"][:count]
