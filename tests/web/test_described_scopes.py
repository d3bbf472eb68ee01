"""Test which requests to an app's routes count together, and of which no preview can be given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_irl import IntelligentLimiter
from flask_irl.behaviour.course_routes import route_name
from flask_irl.limits.route_scope import RouteScope
from flask_irl.web import described_scopes as reasons
from flask_irl.web.state import state_of


def view_of(name: str) -> Callable[..., str]:
    def own(**_: str) -> str:
        return name

    own.__name__ = name
    return own


class Site:
    """Hold an app with a limiter; the options are the limiter's."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("scopes", static_folder=None)
        self.limiter = IntelligentLimiter(
            self.app, **{"background": False, "storage_uri": "memory://", **options}
        )

    def add(self, rule: str, name: str, taken: tuple[str, ...] = ("GET",), **limit: Any) -> None:
        """Add a route, with a limit if one is given."""
        own = view_of(name)
        own = self.limiter.limit(**limit)(own) if limit else own
        self.app.add_url_rule(rule, name, own, methods=taken)

    def scopes(self) -> dict[str, RouteScope]:
        """Give the scopes by their names."""
        return {scope.name: scope for scope in state_of(self.app).described_scopes(self.app)}

    def texts(self, name: str) -> list[str]:
        """Write the limits of a scope."""
        return [str(limit) for limit in self.scopes()[name].limits]


def test_a_route_is_the_scope_of_its_endpoint() -> None:
    site = Site()
    site.add("/a", "plain", ("GET", "POST"))
    site.add("/b/<x>", "limited", limit="5/minute;9/hour")
    site.app.add_url_rule("/c", "limited", methods=["GET"])
    scopes = site.scopes()
    assert scopes["plain"] == RouteScope("plain", (("GET", "/a"), ("POST", "/a")))
    assert scopes["limited"].routes == (("GET", "/b/<x>"), ("GET", "/c"))
    assert site.texts("limited") == ["5 per 60 seconds", "9 per 3600 seconds"]


def test_methods_that_count_apart_are_scopes_of_their_own() -> None:
    site = Site()
    site.add("/a", "each", ("GET", "POST"), limit="5/minute", per_method=True)
    site.add("/b", "form", ("GET", "POST"), limit="3/minute", methods=["POST"])
    scopes = site.scopes()
    assert scopes["each:GET"].routes == (("GET", "/a"),)
    assert scopes["each:POST"].routes == (("POST", "/a"),)
    assert scopes["form:POST"].routes == (("POST", "/b"),)
    assert scopes["form"] == RouteScope("form", (("GET", "/b"),))


def test_default_and_shared_limits_are_those_of_their_routes() -> None:
    site = Site(default_limits=["7/minute"])
    shared = site.limiter.shared_limit("9/minute", scope="api")
    for rule, name in (("/a", "one"), ("/b", "two")):
        site.app.add_url_rule(rule, name, shared(view_of(name)))
    site.add("/c", "other")
    scopes = site.scopes()
    assert scopes["shared:api"].routes == (("GET", "/a"), ("GET", "/b"))
    assert site.texts("other") == ["7 per 60 seconds"]
    assert {*scopes} == {"shared:api", "other"}


def test_limits_that_a_route_shares_under_one_name_are_all_told() -> None:
    site = Site()
    own = view_of("one")
    for limit in ("9/minute", "99/hour"):
        own = site.limiter.shared_limit(limit, scope="api")(own)
    site.app.add_url_rule("/a", "one", own)
    assert {*site.texts("shared:api")} == {"9 per 60 seconds", "99 per 3600 seconds"}


def test_exempt_routes_and_those_of_the_limiter_are_none() -> None:
    site = Site(exempt=["/health"], admin_token="a token of the tests")
    site.add("/health", "health")
    site.add("/a", "one")
    assert {*site.scopes()} == {"one"}


@pytest.mark.parametrize(
    ("limit", "unknown"),
    [
        ({"limit": lambda: "5/minute"}, reasons.BY_REQUEST),
        ({"limit": "5/minute", "key_func": lambda: "k"}, reasons.BY_REQUEST),
        ({"limit": "5/minute", "exempt_when": lambda: False}, reasons.BY_REQUEST),
        ({"limit": "5/minute", "cost": lambda: 2}, reasons.BY_REQUEST),
        ({"limit": "5/minute", "cost": 3}, reasons.BY_COST),
        ({"limit": "5/minute", "deduct_when": lambda response: True}, reasons.BY_ANSWER),
    ],
    ids=["function", "key", "condition", "costs", "cost", "answer"],
)
def test_where_nobody_can_tell_the_reason_is_given(limit: dict[str, Any], unknown: str) -> None:
    site = Site()
    site.add("/a", "one", **limit)
    assert [scope.unknown for scope in site.scopes().values()] == [unknown]
    assert next(iter(site.scopes().values())).routes == (("GET", "/a"),)


def test_a_limit_of_a_pattern_is_no_preview_where_it_holds_for_some_paths() -> None:
    site = Site(limits={"/files/big/*": "5/minute", "/other": "3/minute"})
    site.add("/files/<path:name>", "files")
    site.add("/other", "other")
    scopes = site.scopes()
    assert scopes["files"].unknown == reasons.BY_PATH
    assert scopes["shared:limits:/other"].unknown == ""
    assert site.texts("shared:limits:/other") == ["3 per 60 seconds"]


def test_other_methods_and_hosts_have_none() -> None:
    site = Site()
    site.app.url_map.host_matching = False
    site.add("/a", "odd", ("PROPFIND",), limit="5/minute")
    site.app.add_url_rule("/b", "here", view_of("here"), subdomain="x")
    site.app.add_url_rule("/b", "there", view_of("there"), subdomain="y")
    scopes = site.scopes()
    assert scopes["odd"].unknown == reasons.BY_METHOD
    assert {scopes[name].unknown for name in ("here", "there")} == {reasons.BY_HOST}


def test_a_limit_on_all_routes_is_none_of_a_route() -> None:
    site = Site(application_limits=["90/minute"], meta_limits=["9/hour"])
    site.add("/a", "one", limit="5/minute")
    site.add("/b", "two")
    scopes = site.scopes()
    assert {name: scope.unknown for name, scope in scopes.items()} == {
        "one": "",
        "two": "",
        "shared:application": reasons.ON_ALL,
    }
    assert site.texts("two") == []


def test_routes_with_limits_of_their_own_are_named_as_courses_do() -> None:
    site = Site(application_limits=["90/minute"], default_limits=["50/minute"])
    site.add("/a", "one", limit="5/minute")
    site.add("/b", "two")
    client = site.app.test_client()
    for path in ("/a", "/b", "/nowhere"):
        client.get(path)
    assert [*state_of(site.app).limiter.limited_routes()] == [route_name("GET", "/a")]
