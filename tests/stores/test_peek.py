"""Test that every kind of store tells how limits stand, and counts nothing by that."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flask_irl.limits.current import current_limits
from flask_irl.limits.limit import Limit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope, StrategyName
from flask_irl.stores.base import Store
from flask_irl.stores.state import Update
from tests.conftest import Clock
from tests.stores.conftest import Backend, plan_of

VIEW = Scope("view", (Limit(3, 3600), Limit(9, 86_400)))
TTL = 7200
STRATEGIES: tuple[StrategyName, ...] = ("sliding-window-counter", "fixed-window", "gcra")


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


def left(store: Store, plan: Plan, clock: Clock, keys: Sequence[str] = ("c", "c")) -> list[int]:
    """Tell what is left of each limit."""
    found = current_limits(plan, store.peek(plan, keys[: len(plan.scopes)]), clock())
    return [limit.remaining for limit in found]


def flag(store: Store, client: str, step: int) -> None:
    [state] = store.load([client])
    assert state is not None
    update = Update(client, state.revision, step, -0.75, b"profile")
    assert store.save([update], TTL) == ["saved"]


def test_nothing_is_counted_for_a_client_that_never_came(store: Store, clock: Clock) -> None:
    assert left(store, plan_of(VIEW), clock) == [5, 3, 9]
    assert store.load(["c"]) == [None]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("pause", [0.5, 13.0, 61.0])
def test_a_limit_stands_as_the_next_answer_says(
    store: Store, clock: Clock, strategy: StrategyName, pause: float
) -> None:
    plan = plan_of(strategy=strategy)
    for _ in range(8):
        hit = store.hit(plan, ("c",), 1)
        if hit.admitted:
            [limit] = current_limits(plan, store.peek(plan, ("c",)), clock())
            assert (limit.limit, limit.remaining) == (hit.limit, hit.remaining)
            assert limit.reset_after == pytest.approx(hit.reset_after / 1e6, abs=1e-3)
        clock.advance(pause)


def test_each_limit_of_every_scope_is_told(store: Store, clock: Clock) -> None:
    plan = plan_of(VIEW)
    for _ in range(2):
        store.hit(plan, ("c", "c"), 1)
    assert left(store, plan, clock) == [3, 1, 7]
    assert left(store, plan, clock) == [3, 1, 7]


def test_a_key_of_its_own_is_told_with_its_own_counts(one_server: Backend, clock: Clock) -> None:
    # Not on a cluster, where such keys aren't allowed.
    plan = plan_of(Scope("view", (Limit(3, 3600),), own_key=True))
    for store in (one_server.open(clock), Backend("memory").open(clock)):
        store.hit(plan, ("a", "everybody"), 1)
        store.hit(plan, ("b", "everybody"), 1)
        assert left(store, plan, clock, ("a", "everybody")) == [4, 1]


def test_a_step_tightens_what_is_told(store: Store, clock: Clock) -> None:
    plan = plan_of()
    store.hit(plan, ("c",), 1)
    flag(store, "c", 1)
    [limit] = current_limits(plan, store.peek(plan, ("c",)), clock())
    assert (limit.limit, limit.remaining) == (2, 1)
    [shadow] = current_limits(plan_of(enforce=False), store.peek(plan, ("c",)), clock())
    assert (shadow.limit, shadow.remaining) == (5, 4)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (Override("allow", 1_700_000_060.0), []),
        (Override("block", 1_700_000_060.0), [(0, 0, 60.0)]),
        (Override("limit", 1_700_000_060.0, 8), [(8, 7, 60.0)]),
        (Override("block", 1_699_999_999.0), [(5, 4, 60.0)]),
    ],
)
def test_an_override_is_told_until_it_ends(
    store: Store, clock: Clock, override: Override, told: list[tuple[int, int, float]]
) -> None:
    plan = plan_of()
    store.hit(plan, ("c",), 1)
    store.set_override("c", override, TTL)
    found = current_limits(plan, store.peek(plan, ("c",)), clock())
    assert [(x.limit, x.remaining, x.reset_after) for x in found] == told


def test_what_was_counted_before_a_client_was_forgotten_is_told_no_more(
    store: Store, clock: Clock
) -> None:
    plan = plan_of(VIEW)
    store.hit(plan, ("c", "c"), 1)
    assert store.forget("c", TTL)
    assert left(store, plan, clock) == [5, 3, 9]
    store.hit(plan, ("c", "c"), 1)
    assert left(store, plan, clock) == [4, 2, 8]


def test_what_was_counted_in_another_way_is_told_no_more(store: Store, clock: Clock) -> None:
    store.hit(plan_of(VIEW), ("c", "c"), 1)
    other = plan_of(VIEW, strategy="gcra")
    assert left(store, other, clock) == [5, 3, 9]


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff" * 60])
def test_a_damaged_value_counts_as_absent(one_server: Backend, clock: Clock, damage: bytes) -> None:
    store, plan = one_server.open(clock), plan_of(VIEW)
    store.hit(plan, ("c", "c"), 1)
    with one_server.client() as client:
        for key in client.scan_iter():
            client.set(key, damage)
    assert left(store, plan, clock) == [5, 3, 9]
    with one_server.client() as client:
        for key in client.scan_iter():
            client.delete(key)
            client.rpush(key, b"another type")
    assert left(store, plan, clock) == [5, 3, 9]
