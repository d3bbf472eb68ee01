"""Test the records of API keys on every kind of store, and the calls that confirm them."""

from __future__ import annotations

import pytest

from flask_irl.api_keys.presented import Seen, StoredKey
from flask_irl.api_keys.text import client_of
from flask_irl.limits.decision import Hit
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.quota_lease import LeaseCall, Leased
from flask_irl.stores.api_keys import KeyUse
from flask_irl.stores.base import Store
from tests.conftest import Clock
from tests.stores.conftest import Backend, plan_of

KEY_ID = "7f3aK9xQ2m"
CLIENT = client_of(KEY_ID)
FIRST, SECOND = b"revision{first}", b"REVISION{second}"
SEEN = Seen(b"revision", 0.0)
PLAN = plan_of(Scope("view", (Limit(3, 3600),)))
RULED = Plan((Scope("", (Limit(50, 60),), cost=2),), "fixed-window", (1.0,))


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it, with one API key."""
    store = backend.open(clock)
    assert store.put_api_key(KEY_ID, b"", FIRST)
    return store


def ask(store: Store, seen: Seen = SEEN, plan: Plan = PLAN, early: bool = False) -> Hit | StoredKey:
    """Count a request of the key's client."""
    keys = (CLIENT,) * len(plan.scopes)
    begun = store.begin_keyed(plan, keys, 1, seen) if early else None
    return store.hit_keyed(plan, keys, 1, seen, begun)


def near(answer: Hit | Leased | StoredKey, record: bytes | None, now: float) -> bool:
    """Tell whether an answer is a record at about a time."""
    return isinstance(answer, StoredKey) and answer.record == record and abs(answer.now - now) < 60


def test_a_record_is_read_with_the_stores_time(store: Store, clock: Clock) -> None:
    assert near(store.api_key(KEY_ID), FIRST, clock())
    assert store.api_key("0000000000").record is None
    assert store.api_key_records([KEY_ID, "0000000000"]) == [FIRST, None]


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("plan", [PLAN, RULED], ids=["plain", "ruled"])
def test_a_request_of_a_known_record_is_counted(store: Store, early: bool, plan: Plan) -> None:
    store.hit(plan, (CLIENT,) * len(plan.scopes), 1)
    hit = ask(store, plan=plan, early=early)
    twin = store.hit(plan, (CLIENT,) * len(plan.scopes), 1)
    assert isinstance(hit, Hit)
    assert hit.admitted
    assert hit.remaining == twin.remaining + (2 if plan is RULED else 1)


@pytest.mark.parametrize("early", [False, True])
def test_with_another_record_nothing_is_counted(store: Store, clock: Clock, early: bool) -> None:
    assert store.put_api_key(KEY_ID, b"revision", SECOND)
    assert near(ask(store, early=early), SECOND, clock())
    hit = ask(store, Seen(b"REVISION", 0.0))
    assert isinstance(hit, Hit)
    assert hit.remaining == 2


def test_without_a_record_nothing_is_counted(store: Store, clock: Clock) -> None:
    keys = (client_of("0000000000"),) * 2
    assert near(store.hit_keyed(PLAN, keys, 1, SEEN, None), None, clock())


def test_a_key_ends_by_the_stores_clock(store: Store, clock: Clock) -> None:
    seen = Seen(b"revision", clock() + 10)
    clock.advance(9.9)
    assert isinstance(ask(store, seen), Hit)
    clock.advance(0.1)
    assert isinstance(ask(store, seen), StoredKey)


@pytest.mark.parametrize("early", [False, True])
def test_a_lease_is_had_with_the_known_record_alone(redis_backend: Backend, early: bool) -> None:
    store = redis_backend.open()
    assert store.put_api_key(KEY_ID, b"", FIRST)
    plan, call = plan_of(Scope("view", (Limit(1000, 60),)), base=Limit(5000, 60)), LeaseCall(10)
    keys = (CLIENT,) * 2

    def lease(seen: Seen) -> Leased | StoredKey:
        begun = store.begin_keyed_lease(plan, keys, call, seen) if early else None
        return store.keyed_lease(plan, keys, call, seen, begun)

    for _ in range(2):
        store.hit(plan, keys, 1)
    leased = lease(SEEN)
    assert isinstance(leased, Leased)
    assert (leased.units, leased.hit.remaining) == (10, 1000 - 2 - 11)
    for seen in (Seen(b"REVISION", 0.0), Seen(b"revision", store.now() - 1)):
        assert near(lease(seen), FIRST, store.now())
    assert store.put_api_key(KEY_ID, b"revision", SECOND)
    assert near(lease(SEEN), SECOND, store.now())
    assert store.hit(plan, keys, 0).remaining == 1000 - 2 - 11


def test_without_a_lease_to_give_the_record_is_looked_at_all_the_same(
    store: Store, clock: Clock
) -> None:
    leased = store.keyed_lease(PLAN, (CLIENT,) * 2, LeaseCall(10), SEEN, None)
    assert isinstance(leased, Leased)
    assert (leased.units, leased.hit.remaining) == (0, 2)
    assert store.put_api_key(KEY_ID, b"revision", SECOND)
    answer = store.keyed_lease(PLAN, (CLIENT,) * 2, LeaseCall(10), SEEN, None)
    assert near(answer, SECOND, clock())
    assert store.hit(PLAN, (CLIENT,) * 2, 0).remaining == 2


@pytest.mark.parametrize("revision", [b"", b"revisio", b"revision{"])
def test_a_revision_of_another_length_confirms_nothing(store: Store, revision: bytes) -> None:
    assert isinstance(ask(store, Seen(revision, 0.0)), StoredKey)


def test_a_record_is_written_over_the_expected_one_alone(store: Store) -> None:
    assert not store.put_api_key(KEY_ID, b"", SECOND)
    assert not store.put_api_key(KEY_ID, b"REVISION", SECOND)
    assert store.put_api_key(KEY_ID, b"revision", SECOND)
    assert store.api_key(KEY_ID).record == SECOND


def test_a_record_outlives_its_client_and_the_forgetting_of_all(store: Store, clock: Clock) -> None:
    ask(store)
    store.forget(CLIENT, 60)
    store.forget_all(60)
    clock.advance(366 * 86_400)
    assert store.api_key(KEY_ID).record == FIRST


def test_a_record_with_an_end_goes_in_time(backend: Backend) -> None:
    store = backend.open()
    assert store.put_api_key(KEY_ID, b"", FIRST, 3600)
    if backend.servers:
        [key] = [k for s in backend.servers for k in s.client().scan_iter("*api-key")]
        left = max(server.client().ttl(key) for server in backend.servers)
        assert 3500 < left <= 3600


def test_in_memory_a_record_with_an_end_goes_in_time(clock: Clock) -> None:
    store = Backend("memory").open(clock)
    assert store.put_api_key(KEY_ID, b"", FIRST, 10)
    clock.advance(9.9)
    assert store.api_key(KEY_ID).record == FIRST
    clock.advance(0.1)
    assert store.api_key(KEY_ID).record is None


def test_names_are_paged_in_order(store: Store) -> None:
    store.index_api_key([f"i:{number:04}" for number in range(25)] + ["o:acme\0x", "o:über\0y"])
    assert store.api_key_names("i:", 0, 3) == (["i:0000", "i:0001", "i:0002"], 25)
    assert store.api_key_names("i:", 24, 3) == (["i:0024"], 25)
    assert store.api_key_names("i:002", 0, 9)[1] == 5
    assert store.api_key_names("o:ü", 0, 9) == (["o:über\0y"], 1)
    assert store.api_key_names("z", 0, 9) == ([], 0)
    store.index_api_key((), ["i:0024", "i:9999"])
    assert store.api_key_names("i:", 0, 0)[1] == 24


def test_uses_add_up_for_keys_that_there_are(store: Store) -> None:
    store.add_key_uses({KEY_ID: KeyUse(3, 1, 60.0), "0000000000": KeyUse(1, 1, 60.0)})
    store.add_key_uses({KEY_ID: KeyUse(2, 0, 30.0)})
    assert store.key_uses([KEY_ID, "0000000000"]) == [KeyUse(5, 1, 60.0), KeyUse(0, 0, 0.0)]


def test_forged_bytes_admit_nobody(one_server: Backend) -> None:
    store = one_server.open()
    with one_server.client() as client:
        # Of any length, those of a Hit's and of a lease's answer among them.
        for length in range(100):
            forged = b"\1" * length
            client.set(b"irl1.{%b}.api-key" % CLIENT.encode(), forged)
            for revision in (SEEN.revision, forged[:7], b""):
                assert near(ask(store, Seen(revision, 0.0)), forged, store.now())


def test_a_value_of_another_type_admits_nobody_and_is_replaced(redis_backend: Backend) -> None:
    store = redis_backend.open()
    key = b"irl1.{%b}.api-key" % CLIENT.encode()
    for server in redis_backend.servers:
        with server.client() as client:
            client.lpush(key, b"x")
    answer = ask(store)
    assert isinstance(answer, StoredKey)
    assert not answer.record
    assert store.api_key_records([KEY_ID]) == [None]
    assert store.put_api_key(KEY_ID, b"", FIRST)
    assert isinstance(ask(store), Hit)


def test_a_record_too_long_to_be_one_is_cut(one_server: Backend) -> None:
    store = one_server.open()
    with one_server.client() as client:
        client.set(b"irl1.{%b}.api-key" % CLIENT.encode(), bytes(10_000_000))
    record = store.api_key(KEY_ID).record
    assert record is not None
    assert len(record) < 20_000
