"""Put forgotten clients back, on every kind of store, whatever has happened to them meanwhile."""

from __future__ import annotations

import pytest

from flask_irl.limits.limit import Limit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Scope
from flask_irl.stores.base import Store
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.state import ClientState, Update
from tests.conftest import Clock
from tests.stores.conftest import Backend, plan_of

TTL = 7200
PLAN = plan_of(Scope("route", (Limit(3, 60),)))
BASE = plan_of()
KEYS = ("ada", "ada")


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


def known(store: Store) -> tuple[ClientState, bytes]:
    """Make a client that has used two of three and is at a step; gives its state and its copy."""
    for _ in range(2):
        store.hit(PLAN, KEYS, 1)
    [state] = store.load(["ada"])
    assert state is not None
    assert store.save([Update("ada", state.revision, 1, -0.75, b"pro\0file")], TTL) == ["saved"]
    snapshot = store.snapshot("ada")
    assert snapshot is not None
    return state_of(store), snapshot


def state_of(store: Store) -> ClientState:
    [state] = store.load(["ada"])
    assert state is not None
    return state


def left(store: Store) -> list[int]:
    """Give what the cells of all limits have counted."""
    return [cell[1] for cell in store.peek(PLAN, KEYS).cells]


def test_all_of_a_client_comes_back(store: Store, clock: Clock) -> None:
    before, snapshot = known(store)
    assert store.forget("ada", TTL)
    assert left(store) == [0, 0]
    clock.advance(1)
    assert store.restore("ada", snapshot, None, TTL) == "saved"
    after = state_of(store)
    assert after._replace(revision=before.revision) == before
    assert left(store) == [2, 2]


def test_it_comes_back_after_its_empty_state_has_gone(backend: Backend, clock: Clock) -> None:
    store = backend.open(clock)
    before, snapshot = known(store)
    other = backend.open(clock) if backend.kind != "memory" else store
    store.forget("ada", TTL)
    if backend.kind == "memory":
        clock.advance(TTL + 1)
    else:
        for server in backend.servers:
            with server.client() as client:
                client.flushall()
    assert other.restore("ada", snapshot, None, TTL) == "saved"
    assert state_of(other).profile == before.profile


def test_one_that_has_been_here_since_keeps_its_counts_since(store: Store, clock: Clock) -> None:
    before, snapshot = known(store)
    store.forget("ada", TTL)
    clock.advance(1)
    store.hit(PLAN, KEYS, 1)
    present = state_of(store)
    assert store.restore("ada", snapshot, present.revision, TTL) == "saved"
    after = state_of(store)
    assert (after.step, after.score, after.profile) == (1, -0.75, b"pro\0file")
    assert after.last_seen == present.last_seen > before.last_seen
    assert left(store) == [1, 1]
    # A flush that had loaded it before doesn't save over what was put back.
    assert store.save([Update("ada", present.revision, 0, 0.0, b"new")], TTL) == ["stale"]


def test_nothing_comes_back_where_somebody_has_saved_meanwhile(store: Store) -> None:
    _, snapshot = known(store)
    store.forget("ada", TTL)
    store.hit(PLAN, KEYS, 1)
    present = state_of(store)
    assert store.restore("ada", snapshot, None, TTL) == "stale"
    update = Update("ada", present.revision, 0, 0.0, b"new")
    assert store.save([update], TTL) == ["saved"]
    assert store.restore("ada", snapshot, present.revision, TTL) == "stale"
    assert state_of(store).profile == b"new"
    store.forget("ada", TTL)
    assert store.restore("ada", snapshot, present.revision, TTL) == "stale"
    assert store.load(["ada"]) == [None]


def test_a_save_that_was_under_way_finds_another_revision(store: Store) -> None:
    before, snapshot = known(store)
    store.forget("ada", TTL)
    assert store.restore("ada", snapshot, None, TTL) == "saved"
    assert store.save([Update("ada", before.revision, 0, 0.0, b"old")], TTL) == ["stale"]
    after = state_of(store)
    assert store.save([Update("ada", after.revision, 0, 0.0, b"new")], TTL) == ["saved"]


def test_the_lower_step_and_the_present_override_stay(store: Store, clock: Clock) -> None:
    _, snapshot = known(store)
    first, second = (Override(kind, clock() + 900) for kind in ("allow", "block"))
    store.set_override("ada", first, TTL)
    store.forget("ada", TTL)
    store.hit(BASE, KEYS[:1], 1)
    present = state_of(store)
    store.set_override("ada", second, TTL)
    assert store.save([Update("ada", present.revision, 3, -1.0, b"new")], TTL) == ["saved"]
    assert store.restore("ada", snapshot, state_of(store).revision, TTL) == "saved"
    after = state_of(store)
    assert (after.step, after.profile, after.override) == (3, b"pro\0file", second)


@pytest.mark.parametrize(
    "snapshot", [b"", b"{}", b"[]", b"x" * 30, b"\xff" * 22, b"x" * 70_000], ids=range(6)
)
def test_a_copy_that_is_none_changes_nothing(store: Store, snapshot: bytes) -> None:
    known(store)
    store.forget("ada", TTL)
    assert store.restore("ada", snapshot, None, TTL) == "gone"
    assert store.load(["ada"]) == [None]


def test_of_a_client_without_a_request_there_is_no_copy(store: Store, clock: Clock) -> None:
    assert store.snapshot("ada") is None
    store.set_override("ada", Override("block", clock() + 900), TTL)
    assert store.snapshot("ada") is None
    store.hit(BASE, KEYS[:1], 1)
    store.forget("ada", TTL)
    assert store.snapshot("ada") is None


# What is kept for a while


def test_what_was_forgotten_is_kept_until_its_end(store: Store, clock: Clock) -> None:
    for name in ("ada", "a b\n", "revision", "ünï"):
        store.keep_forgotten(name, b"1 \xff\n", clock() + 10, 5)
    store.keep_forgotten("ada", b"2", clock() + 10, 5)
    clock.advance(9)
    assert store.forgotten("ada") == b"2"
    assert store.forgotten("a b\n") == store.forgotten("ünï") == b"1 \xff\n"
    assert store.session("ada") is None
    assert [store.drop_forgotten("ada"), store.drop_forgotten("ada")] == [b"2", None]
    clock.advance(1)
    assert store.forgotten("revision") is None


def test_what_was_forgotten_is_bounded(store: Store, clock: Clock) -> None:
    for name, seconds in (("a", 50), ("b", 10), ("c", 30), ("d", 40)):
        store.keep_forgotten(name, name.encode(), clock() + seconds, 3)
    assert [store.forgotten(name) for name in "abcd"] == [b"a", None, b"c", b"d"]


def test_forged_contents_that_end_late_keep_no_place(one_server: Backend, clock: Clock) -> None:
    store = one_server.open(clock)
    store.keep_forgotten("a", b"a", clock() + 900, 3)
    with one_server.client() as client:
        forged = {f"x{n}": f"{clock() + 9e6:.0f} x" for n in range(9)}
        client.hset("irl1.{site}.forgotten", mapping=forged)
    for name in "bc":
        store.keep_forgotten(name, name.encode(), clock() + 900, 3)
    assert [store.forgotten(name) for name in ("a", "b", "c", "x1")] == [b"a", b"b", b"c", None]


def test_of_too_many_forged_contents_no_more_stay_than_may(
    one_server: Backend, clock: Clock
) -> None:
    store = one_server.open(clock)
    with one_server.client() as client:
        forged = {f"x{n}": f"{clock() + 99:.0f} x" for n in range(9)}
        client.hset("irl1.{site}.forgotten", mapping=forged)
        store.keep_forgotten("a", b"a", clock() + 900, 3)
        assert client.hlen("irl1.{site}.forgotten") == 3
    assert store.forgotten("a") == b"a"


def test_nothing_is_left_in_redis_after_the_last_end(one_server: Backend) -> None:
    store = one_server.open_redis()
    store.put_session("s", b"x", store.now() + 50, 5)
    store.keep_forgotten("a", b"x", store.now() + 900, 5)
    store.keep_forgotten("b", b"x", store.now() + 10, 5)
    with one_server.client() as client:
        assert 890 <= client.ttl("irl1.{site}.forgotten") <= 901
        assert 45 <= client.ttl("irl1.{site}.sessions") <= 51


def test_nothing_is_left_in_memory_after_the_end(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    store.keep_forgotten("a", b"x", clock() + 900, 5)
    clock.advance(901)
    store.expire()
    assert store._forgotten == {}


def test_when_everybody_is_forgotten_nothing_is_kept_of_anybody(store: Store, clock: Clock) -> None:
    _, snapshot = known(store)
    store.keep_forgotten("ada", snapshot, clock() + 900, 100)
    store.put_session("s", b"session", clock() + 900, 100)
    store.forget_all(TTL)
    assert store.forgotten("ada") is None
    assert store.session("s") == b"session"
