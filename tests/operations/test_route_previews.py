"""Test what other limits of routes would have done in the last day, on both stores."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_irl.behaviour.courses import CoursePart, Slot, pack, slot_of
from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import parse_limits
from flask_irl.limits.route_scope import RouteScope
from flask_irl.operations.what_if import SHOWN
from flask_irl.stores.history import History
from flask_irl.stores.memory.store import MemoryStore
from tests.conftest import Clock
from tests.operations.worker import Worker, override

LOGIN = RouteScope("login", (("POST", "/login"),), parse_limits("10/minute"))


def keep(
    here: Worker,
    client: str,
    *minutes: int,
    route: str = "POST /login",
    ago: int = 0,
    step: int = 0,
) -> None:
    """Keep a slot of a client's course on a route, so many slots ago."""
    counts = (*minutes, *(0,) * (5 - len(minutes)))
    slot = Slot(slot_of(here.store.now()) - ago, counts, 0, -0.1, step)
    part = CoursePart(client, 0.0, pack(slot), route)
    here.store.add_counts({}, None, History({}, {}, [part]))


def test_a_limit_of_a_route_counts_its_requests_alone(here: Worker) -> None:
    keep(here, "a", 8, 3)
    keep(here, "a", 50, route="GET /login")
    keep(here, "b", 12)
    keep(here, "c", 90, route="POST /other")
    found = here.operations.what_if.route(LOGIN, "5/minute")
    assert [(one["client"], one["refused"]) for one in found["affected"]] == [("b", 7), ("a", 3)]
    assert (found["clients"], found["refused_clients"], found["refused_requests"]) == (2, 2, 10)
    assert (found["present_clients"], found["present_requests"]) == (1, 2)
    assert (found["scope"], found["limits"]) == ("login", ["5 per 60 seconds"])
    assert (found["routes"], found["routes_kept"]) == (1, 1)
    assert found["affected"][1]["requests"] == 11


def test_routes_that_count_together_are_added_up(here: Worker) -> None:
    shared = RouteScope("shared:api", (("GET", "/a"), ("HEAD", "/a"), ("PUT", "/b"), ("GET", "/c")))
    for route in ("GET /a", "PUT /b"):
        keep(here, "a", 4, route=route)
        keep(here, "a", 0, 3, route=route, step=1)
        keep(here, "a", 9, route=route, ago=2)
    found = here.operations.what_if.route(shared, "5/minute")
    # At a step, three tenths of it are left.
    assert found["refused_requests"] == round(8 - 1.5 + 6 - 1.5 + 18 - 5)
    assert (found["clients"], found["present_requests"]) == (1, 0)
    assert (found["routes"], found["routes_kept"]) == (3, 2)


def test_of_several_limits_the_one_that_refuses_most_counts(here: Worker) -> None:
    keep(here, "a", 6, 6, 6)
    assert here.operations.what_if.route(LOGIN, "5/minute;4/hour")["refused_requests"] == 14


def test_without_a_course_nobody_knows(here: Worker) -> None:
    keep(here, "a", 90, route="GET /login")
    found = here.operations.what_if.route(LOGIN, "1/minute")
    assert (found["clients"], found["routes_kept"], found["refused_requests"]) == (0, 0, 0)


def test_the_overridden_the_old_and_the_forged_are_left_out(here: Worker) -> None:
    here.ask("held")
    here.limiter.flush()
    override(here, "allow", "held")
    for client in ("held", "a b", "<b>", "#1"):
        keep(here, client, 50)
    keep(here, "old", 50, ago=288)
    keep(here, "late", 50, ago=-1)
    keep(here, "a", 7, ago=287)
    found = here.operations.what_if.route(LOGIN, "5/minute")
    assert [one["client"] for one in found["affected"]] == ["a"]
    assert (found["clients"], found["refused_requests"]) == (1, 2)


def test_of_many_clients_fifty_are_named(here: Worker) -> None:
    for number in range(SHOWN + 9):
        keep(here, f"c{number}", 10 + number)
    found = here.operations.what_if.route(LOGIN, "5/minute")
    assert (len(found["affected"]), found["refused_clients"]) == (SHOWN, SHOWN + 9)


def test_what_was_asked_is_what_is_previewed(here: Worker) -> None:
    for _ in range(3):
        here.ask("c", "/login", method="POST")
    here.ask("c", "/login")
    here.limiter.flush()
    assert here.operations.what_if.route(LOGIN, "1/minute")["refused_requests"] == 2


def test_where_nobody_can_tell_the_reason_is_given(here: Worker) -> None:
    scope = RouteScope("a", (("GET", "/a"),), unknown="counts refusals")
    with pytest.raises(ConfigurationError, match="of the limit of 'a': it counts refusals"):
        here.operations.what_if.route(scope, "5/minute")
    with pytest.raises(ConfigurationError, match="a lot"):
        here.operations.what_if.route(LOGIN, "a lot")


counts = st.lists(st.integers(0, 40), min_size=5, max_size=5)
kept = st.tuples(
    st.sampled_from("ab"), st.sampled_from(("GET /a", "POST /a")), st.integers(0, 20), counts
)


@given(
    st.lists(kept, max_size=12),
    st.integers(1, 60),
    st.sampled_from((60, 120, 300, 420, 3600, 86_400)),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_preview_refuses_what_a_fixed_window_of_the_kept_counts_does(
    parts: list[tuple[str, str, int, list[int]]], amount: int, window: int
) -> None:
    here = Worker(MemoryStore(clock=Clock()), {})
    scope = RouteScope("a", (("GET", "/a"), ("POST", "/a")))
    windows: dict[tuple[str, int], int] = defaultdict(int)
    for client, route, ago, minutes in parts:
        keep(here, client, *minutes, route=route, ago=ago)
        begins = (slot_of(here.store.now()) - ago) * 300
        for place, count in enumerate(minutes):
            windows[client, (begins + 60 * place) // window] += count
    beyond = [max(count - amount, 0) for count in windows.values()]
    found = here.operations.what_if.route(scope, f"{amount} per {window} second")
    assert found["refused_requests"] == sum(beyond)
    here.limiter.close()
