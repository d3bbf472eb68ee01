"""Test that routes are named alike everywhere, whatever a client or an app calls them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.behaviour.course_routes import (
    METHODS,
    MOST_ROUTE,
    course_name,
    read_course_name,
    route_name,
)
from flask_irl.behaviour.kinds import kinds_of
from flask_irl.limits.keys import canonical

texts = st.text(min_size=1)


@pytest.mark.parametrize(
    ("method", "route", "name"),
    [
        ("GET", "/", "GET /"),
        ("HEAD", "/", "GET /"),
        ("POST", "/a b/<path:x>", "POST /a b/<path:x>"),
        ("OPTIONS", "/", ""),
        ("get", "/", ""),
        ("GET /", "/", ""),
        ("GET", "unmatched", ""),
    ],
)
def test_a_route_is_named_by_method_and_rule(method: str, route: str, name: str) -> None:
    assert route_name(method, route) == name


@given(st.text(min_size=1), st.sampled_from(METHODS), texts)
def test_a_course_of_any_client_and_route_is_read_back(key: str, method: str, route: str) -> None:
    client, name = canonical(key), route_name(method, f"/{route}")
    assert read_course_name(course_name(client, name)) == (client, name)
    assert len(name.encode()) <= len("DELETE ") + MOST_ROUTE
    assert name.isprintable()


@pytest.mark.parametrize("name", ["", "a", "a GET", "a GET ", "a get /", "a OPTIONS /", " GET /"])
def test_what_is_no_courses_name_has_no_route_or_no_client(name: str) -> None:
    client, route = read_course_name(name)
    assert not (client and route)


def test_long_rules_are_told_apart() -> None:
    one, two = (route_name("GET", "/" + "x" * MOST_ROUTE + end) for end in "ab")
    assert one != two


@given(st.lists(st.tuples(texts, texts | st.sampled_from(("GET", "HEAD"))), min_size=1))
def test_each_request_is_of_the_kind_of_its_route_and_method(pairs: list[tuple[str, str]]) -> None:
    routes, methods = zip(*pairs, strict=True)
    kinds = kinds_of(routes, methods)
    assert [(kinds.routes[n], kinds.methods[n]) for n in kinds.of.tolist()] == pairs
    names, of = kinds.by_course()
    assert [names[n] for n in of.tolist()] == [route_name(method, r) for r, method in pairs]
    assert len(set(names)) == len(names)
