"""Test the walk through all clients of a store, on every kind of store."""

from __future__ import annotations

import pytest

from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Scope
from flask_irl.stores.base import Store
from tests.conftest import Clock
from tests.stores.conftest import Backend, plan_of

PLAN = plan_of()


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    return backend.open(clock)


def walked(store: Store, prefix: str = "") -> list[str]:
    parts = list(store.clients(prefix))
    assert max(map(len, parts), default=0) <= 1000
    return sorted({client for part in parts for client in part})


def test_a_new_store_has_no_clients(store: Store) -> None:
    assert walked(store) == []


def test_all_clients_are_met_in_parts(store: Store) -> None:
    names = sorted(f"c{number}" for number in range(2500))
    for name in names:
        store.hit(PLAN, (name,), 1)
    assert walked(store) == names


def test_clients_are_met_by_the_beginning_of_their_keys(store: Store) -> None:
    for name in ("203.0.113.7", "203.0.113.70", "203.0.11.3", "x203.0.113.7", "2001:db8::/64"):
        store.hit(PLAN, (name,), 1)
    assert walked(store, "203.0.113.") == ["203.0.113.7", "203.0.113.70"]
    assert walked(store, "2001:db8") == ["2001:db8::/64"]


@pytest.mark.parametrize("prefix", ["a*", "a?", "a[b]", "a\\", "a^", "客", "*", "[^x]"])
def test_a_beginning_is_no_pattern(store: Store, prefix: str) -> None:
    for name in (f"{prefix}-here", "ab-there", "axb-there"):
        store.hit(PLAN, (name,), 1)
    assert walked(store, prefix) == [f"{prefix}-here"]


def test_scopes_and_the_state_of_the_site_are_no_clients(store: Store) -> None:
    store.rank("rate", {"ranked": 1.0})
    store.hit(plan_of(Scope("heavy", (Limit(5, 60),))), ("one", "one"), 1)
    assert walked(store) == ["one"]
