"""Parts of a store under prefixes of their own, and the tenants that are noted in the whole."""

from __future__ import annotations

import pytest

from flask_irl.limits.override import Override
from flask_irl.stores.base import Store
from flask_irl.stores.memory.store import MemoryStore
from tests.stores.conftest import Backend, plan_of

CLIENT = "192.0.2.1"
PLAN = plan_of()


@pytest.fixture
def whole(backend: Backend) -> Store:
    return backend.open()


def test_a_part_has_clients_counts_and_models_of_its_own(whole: Store) -> None:
    a, b = whole.within("irl.t.a."), whole.within("irl.t.b.")
    for _ in range(PLAN.scopes[0].limits[0].amount):
        assert a.hit(PLAN, (CLIENT,), 1).admitted
    assert not a.hit(PLAN, (CLIENT,), 1).admitted
    assert b.hit(PLAN, (CLIENT,), 1).admitted
    assert whole.hit(PLAN, (CLIENT,), 1).admitted
    a.add_counts({"requests": 3})
    a.publish(0, 1, b"model")
    a.set_override(CLIENT, Override("block", until=a.now() + 60), 60)
    assert (b.counts(), whole.counts()) == ({}, {})
    assert (a.model_version(), b.model_version(), whole.model_version()) == (1, 0, 0)
    found = [store.load([CLIENT])[0] for store in (a, b, whole)]
    assert [state is not None and state.override is not None for state in found] == [
        True,
        False,
        False,
    ]
    for store in (a, b, whole):
        assert [key for part in store.clients() for key in part] == [CLIENT]
    assert a.forget_all(60) == 1
    assert b.load([CLIENT])[0] is not None


def test_the_same_part_is_the_same_whoever_opens_it(whole: Store) -> None:
    whole.within("irl.t.a.").add_counts({"requests": 3})
    assert whole.within("irl.t.a.").counts() == {"requests": 3}


def test_a_part_that_is_closed_leaves_the_whole_in_use(whole: Store) -> None:
    part = whole.within("irl.t.a.")
    part.ping()
    part.leave()
    part.close()
    part.after_fork()
    assert whole.hit(PLAN, (CLIENT,), 1).admitted
    assert part.hit(PLAN, (CLIENT,), 1).admitted


def test_the_revisions_of_many_parts_come_at_once(whole: Store) -> None:
    parts = [whole.within(f"irl.t.{name}.") for name in "abc"]
    parts[1].publish(0, 1, b"model")
    parts[1].pin(1)
    parts[2].put_settings(0, b"{}")
    found = whole.revisions_of([whole, *parts])
    assert found == [whole.revisions(), *(part.revisions() for part in parts)]
    assert [news.model for news in found] == [0, 0, 1, 0]
    assert [news.settings for news in found] == [0, 0, 0, 1]
    assert found[2].pin is not None
    assert whole.revisions_of([]) == []


def test_tenants_are_noted_up_to_a_number(whole: Store) -> None:
    assert whole.tenants() == []
    assert [whole.admit_tenant(name, 2) for name in ("b", "a", "c", "b")] == [
        True,
        True,
        False,
        True,
    ]
    assert whole.tenants() == ["a", "b"]
    # A larger number lets more in.
    assert whole.admit_tenant("c", 3)


def test_a_damaged_set_of_tenants_counts_as_empty(backend: Backend) -> None:
    store = backend.open()
    if isinstance(store, MemoryStore):
        return
    for server in backend.servers:
        with server.client() as client:
            client.set("irl1.{site}.tenants", "rubbish")
    assert store.tenants() == []
    assert store.admit_tenant("a", 2)
    assert store.tenants() == ["a"]
