"""Test the counts and the states of clients on every kind of store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from redis.crc import key_slot

from flask_irl.errors import StoreError
from flask_irl.limits.current import current_limits
from flask_irl.limits.keys import canonical
from flask_irl.limits.limit import Limit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.rate_plan import RatePlan
from flask_irl.stores.base import Store
from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from flask_irl.stores.state import ClientState, Update
from tests.conftest import Clock
from tests.servers import wait_until
from tests.stores.conftest import PATIENCE, Backend, plan_of

TTL = 7200
VIEW = Scope("view", (Limit(3, 3600),))
PLAN = plan_of()
PROFILE = bytes(range(256))[:140]


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


def state_of(store: Store, client: str) -> ClientState:
    """Load the state of a client that is known."""
    state = store.load([client])[0]
    assert state is not None
    return state


def save(store: Store, client: str, step: int = 0, profile: bytes = PROFILE) -> None:
    """Save a verdict and a profile."""
    update = Update(client, state_of(store, client).revision, step, -0.75, profile)
    assert store.save([update], TTL) == ["saved"]


def spend(store: Store, plan: Plan, client: str = "c") -> int:
    """Ask until refused, and count the admitted requests."""
    keys = (client,) * len(plan.scopes)
    return next(n for n in range(1000) if not store.hit(plan, keys, 1).admitted)


# Counting


def test_it_counts_to_the_limit_and_then_refuses(store: Store) -> None:
    hits = [store.hit(PLAN, ("c",), 1) for _ in range(7)]
    assert [hit.admitted for hit in hits] == [True] * 5 + [False] * 2
    assert [hit.remaining for hit in hits] == [4, 3, 2, 1, 0, 0, 0]
    assert {hit.limit for hit in hits} == {5}
    assert [hit.retry_after for hit in hits] == [0] * 5 + [60e6] * 2
    assert {hit.reset_after for hit in hits} == {60e6}


def test_after_the_window_it_admits_again(store: Store, clock: Clock) -> None:
    spend(store, PLAN)
    clock.advance(59.999)
    assert not store.hit(PLAN, ("c",), 1).admitted
    clock.advance(0.001)
    assert store.hit(PLAN, ("c",), 1).remaining == 4


def test_a_request_counts_for_its_cost(store: Store) -> None:
    assert store.hit(PLAN, ("c",), 0).remaining == 5
    assert store.hit(PLAN, ("c",), 4).remaining == 1
    assert not store.hit(PLAN, ("c",), 2).admitted
    assert store.hit(PLAN, ("c",), 1).remaining == 0


def test_a_request_begun_counts_once(store: Store) -> None:
    store.hit(PLAN, ("c",), 1)
    mine, yours = store.begin(PLAN, ("c",), 2), store.begin(PLAN, ("d",), 1)
    if store.local:
        assert mine is yours is None
        return
    assert store.hit(PLAN, ("e",), 1).remaining == 4
    assert store.end(mine).remaining == 2
    assert yours is None or store.end(yours).remaining == 4
    assert store.hit(PLAN, ("c",), 1).remaining == 1


@pytest.mark.parametrize("lost", ["script", "connections"])
def test_a_request_begun_is_answered_though_the_server_lost(
    redis_backend: Backend, lost: str
) -> None:
    store = redis_backend.open()
    store.hit(PLAN, ("c",), 1)
    for server in redis_backend.servers:
        with server.client() as client:
            if lost == "script":
                client.script_flush()
            else:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    pending = store.begin(PLAN, ("c",), 1)
    hit = store.hit(PLAN, ("c",), 1) if pending is None else store.end(pending)
    assert hit.remaining == 3


def test_clients_are_counted_apart(store: Store) -> None:
    assert spend(store, PLAN, "a") == 5
    assert spend(store, PLAN, "b") == 5


def test_a_hit_has_the_time_and_the_gap_since_the_last_request(store: Store, clock: Clock) -> None:
    first = store.hit(PLAN, ("c",), 1)
    clock.advance(2.5)
    second = store.hit(PLAN, ("c",), 1)
    assert (first.gap, second.gap) == (-1, 2.5e6)
    assert (first.now, second.now) == (1_700_000_000e6, 1_700_000_002.5e6)


def test_the_gap_spans_refused_requests_and_other_routes(store: Store, clock: Clock) -> None:
    spend(store, PLAN)
    clock.advance(1)
    assert not store.hit(PLAN, ("c",), 1).admitted
    clock.advance(2)
    assert store.hit(plan_of(VIEW), ("c", "c"), 1).gap == 2e6


def test_a_further_scope_counts_by_itself(store: Store, clock: Clock) -> None:
    assert spend(store, plan_of(VIEW)) == 3
    assert spend(store, plan_of(Scope("other", VIEW.limits))) == 2
    clock.advance(60)
    hit = store.hit(plan_of(VIEW), ("c", "c"), 1)
    assert (hit.admitted, hit.binding, hit.limit) == (False, 1, 3)
    assert hit.retry_after == 3540e6


def test_a_scope_is_shared_by_the_plans_that_name_it(store: Store) -> None:
    assert spend(store, plan_of(VIEW)) == 3
    assert spend(store, plan_of(Scope("other", (Limit(9, 60),)), VIEW)) == 0


def test_a_limit_whose_figure_changes_goes_on_counting(store: Store) -> None:
    spend(store, PLAN)
    assert spend(store, plan_of(base=Limit(8, 60))) == 3


def test_a_limit_whose_window_or_strategy_changes_counts_anew(store: Store) -> None:
    spend(store, PLAN)
    assert spend(store, plan_of(base=Limit(5, 61))) == 5
    assert spend(store, plan_of(strategy="gcra")) == 5


def test_a_refused_request_burns_no_quota_anywhere(store: Store) -> None:
    plan = plan_of(Scope("a", (Limit(10, 60), Limit(1, 3600))), Scope("b", (Limit(10, 60),)))
    keys = ("c", "c", "c")
    assert store.hit(plan, keys, 1).admitted
    for _ in range(5):
        assert not store.hit(plan, keys, 1).admitted
    assert store.hit(PLAN, ("c",), 1).remaining == 3
    assert spend(store, plan_of(Scope("b", (Limit(10, 60),)), base=Limit(99, 60))) == 9


def test_a_clock_set_back_locks_no_scope_out(store: Store, clock: Clock) -> None:
    plan = plan_of(VIEW)
    spend(store, plan)
    clock.advance(-1800)
    hit = store.hit(plan, ("c", "c"), 1)
    assert (hit.admitted, hit.retry_after) == (False, 3600e6)
    clock.advance(3600)
    assert store.hit(plan, ("c", "c"), 1).admitted


def other_client(backend: Backend, *, same_slot: bool) -> str:
    """Find a name other than "c", whose key is in the same slot of a cluster or not."""
    names = (f"k{n}" for n in range(200_000))
    slot = key_slot(b"{c}")
    return next(
        x for x in names if backend.kind != "cluster" or (key_slot(b"{%b}" % x.encode()) == slot)
        == same_slot
    )  # fmt: skip


def test_a_scope_of_another_key_counts_for_all_clients_together(
    store: Store, backend: Backend
) -> None:
    plan = plan_of(Scope("view", (Limit(3, 60),), own_key=True))
    key = other_client(backend, same_slot=True)
    assert [store.hit(plan, ("c", key), 1).admitted for _ in range(2)] == [True] * 2
    if backend.kind != "cluster":
        assert [store.hit(plan, (x, key), 1).admitted for x in "ab"] == [True, False]
    else:
        assert [store.hit(plan, ("c", key), 1).admitted for _ in range(2)] == [True, False]
    assert store.hit(plan, ("c", "c"), 1).admitted


def test_the_key_that_a_scope_counts_is_no_client_by_that(store: Store, backend: Backend) -> None:
    key = other_client(backend, same_slot=True)
    store.hit(plan_of(Scope("view", (Limit(3, 60),), own_key=True)), ("c", key), 1)
    assert store.load([key]) == [None]


def test_keys_of_two_slots_are_a_store_error_or_counted(store: Store, backend: Backend) -> None:
    plan = plan_of(Scope("view", (Limit(3, 60),), own_key=True))
    key = other_client(backend, same_slot=False)
    if backend.kind != "cluster":
        assert store.hit(plan, ("c", key), 1).admitted
    else:
        with pytest.raises(StoreError) as caught:
            store.hit(plan, ("c", key), 1)
        assert caught.value.kind == "response"


# Verdicts


def test_a_step_tightens_every_limit(store: Store) -> None:
    store.hit(PLAN, ("c",), 0)
    save(store, "c", step=1)
    hit = store.hit(plan_of(VIEW), ("c", "c"), 1)
    assert (hit.step, hit.score, hit.limit, hit.remaining) == (1, -0.75, 1, 0)
    refused = store.hit(PLAN, ("c",), 2)
    assert (refused.admitted, refused.limit, refused.remaining) == (False, 2, 1)


def test_in_shadow_a_step_refuses_nothing(store: Store) -> None:
    shadow = plan_of(enforce=False)
    store.hit(shadow, ("c",), 0)
    save(store, "c", step=1)
    hits = [store.hit(shadow, ("c",), 1) for _ in range(6)]
    assert [hit.admitted for hit in hits] == [True] * 5 + [False]
    assert [hit.tight_refused for hit in hits] == [False, False, True, True, True, False]
    assert {(hit.step, hit.limit) for hit in hits} == {(1, 5)}


# Clients


def test_an_unknown_client_has_no_state(store: Store) -> None:
    assert store.load([]) == []
    assert store.load(["a", "b"]) == [None, None]


def test_a_request_makes_a_client_known(store: Store, clock: Clock) -> None:
    store.hit(PLAN, ("c",), 1)
    state = state_of(store, "c")
    assert (state.step, state.score, state.profile) == (0, 0.0, b"")
    assert state.last_seen == clock.now


def test_refused_requests_are_seen_too(store: Store, clock: Clock) -> None:
    spend(store, PLAN)
    clock.advance(5)
    store.hit(PLAN, ("c",), 1)
    assert state_of(store, "c").last_seen == clock.now


def test_what_is_saved_is_loaded_and_outlives_further_requests(store: Store) -> None:
    store.hit(PLAN, ("c",), 1)
    save(store, "c", step=1)
    before = state_of(store, "c")
    assert (before.step, before.score, before.profile) == (1, -0.75, PROFILE)
    store.hit(PLAN, ("c",), 1)
    store.hit(plan_of(VIEW), ("c", "c"), 1)
    store.hit(plan_of(base=Limit(5, 61)), ("c",), 1)
    after = state_of(store, "c")
    assert after == before


@pytest.mark.parametrize("profile", [b"", b"\0", PROFILE, b"\r\n$5\r\n" * 20])
def test_a_profile_is_any_bytes(store: Store, profile: bytes) -> None:
    store.hit(PLAN, ("c",), 1)
    for _ in range(2):
        save(store, "c", profile=profile)
        assert state_of(store, "c").profile == profile
    assert store.hit(PLAN, ("c",), 1).remaining == 3


def test_saving_counts_nothing_and_gives_nothing_back(store: Store) -> None:
    spend(store, plan_of(VIEW))
    save(store, "c")
    hit = store.hit(plan_of(VIEW), ("c", "c"), 1)
    assert (hit.admitted, hit.binding) == (False, 1)
    assert store.hit(PLAN, ("c",), 1).remaining == 1


def test_a_save_from_an_older_revision_is_stale(store: Store) -> None:
    store.hit(PLAN, ("c",), 1)
    old = state_of(store, "c").revision
    save(store, "c", profile=b"new")
    assert state_of(store, "c").revision > old
    assert store.save([Update("c", old, 1, -1.0, b"old")], TTL) == ["stale"]
    assert state_of(store, "c").profile == b"new"
    assert state_of(store, "c").step == 0


def test_a_save_for_an_unknown_client_finds_it_gone(store: Store) -> None:
    assert store.save([Update("c", 0, 1, -1.0, PROFILE)], TTL) == ["gone"]
    assert store.load(["c"]) == [None]
    assert store.save([], TTL) == []


def test_many_clients_are_saved_and_loaded_in_order(store: Store) -> None:
    names = [f"client-{n}" for n in range(200)]
    for name in names[::2]:
        store.hit(PLAN, (name,), 1)
    revisions = [0 if state is None else state.revision for state in store.load(names)]
    updates = [
        Update(name, revision, n % 2, -0.5, name.encode())
        for n, (name, revision) in enumerate(zip(names, revisions, strict=True))
    ]
    assert store.save(updates, TTL) == ["saved", "gone"] * 100
    profiles = [None if state is None else state.profile for state in store.load(names)]
    assert profiles == [x.encode() if n % 2 == 0 else None for n, x in enumerate(names)]


# Forgetting


def test_a_forgotten_client_is_as_new(store: Store) -> None:
    plan = plan_of(VIEW)
    spend(store, plan)
    save(store, "c", step=1)
    assert store.forget("c", TTL)
    assert store.load(["c"]) == [None]
    hit = store.hit(plan, ("c", "c"), 1)
    assert (hit.admitted, hit.step, hit.score, hit.gap) == (True, 0, 0.0, -1)
    assert spend(store, plan) == 2
    assert state_of(store, "c").profile == b""


def test_a_client_can_be_forgotten_again_and_again(store: Store) -> None:
    plan = plan_of(VIEW)
    for _ in range(3):
        assert spend(store, plan) == 3
        assert store.forget("c", TTL)
    assert spend(store, plan) == 3


def test_forgetting_tells_if_the_client_was_known(store: Store) -> None:
    assert not store.forget("c", TTL)
    assert store.load(["c"]) == [None]
    store.hit(PLAN, ("c",), 1)
    assert store.forget("c", TTL)
    assert not store.forget("c", TTL)


def test_no_other_client_is_forgotten(store: Store) -> None:
    plan = plan_of(VIEW)
    for client in ("c", "cc", "c:", "d"):
        spend(store, plan, client)
    store.forget("c", TTL)
    assert [spend(store, plan, client) for client in ("cc", "c:", "d")] == [0, 0, 0]


def test_all_clients_can_be_forgotten(backend: Backend) -> None:
    store = backend.open()
    plan = plan_of(VIEW)
    names = ["c", "c:", "ü/1", *(f"client-{n}" for n in range(1200))]
    for client in names[:3]:
        spend(store, plan, client)
    for client in names[3:]:
        store.hit(PLAN, (client,), 1)
    save(store, "c", step=1)
    store.add_counts({"requests": 1})
    assert store.forget_all(TTL) == len(names)
    assert store.load(names) == [None] * len(names)
    assert [spend(store, plan, client) for client in names[:3]] == [3, 3, 3]
    assert store.counts() == {"requests": 1}
    assert store.forget_all(TTL) == 3
    assert store.forget_all(TTL) == 0


def test_an_override_outlives_that_all_are_forgotten(store: Store) -> None:
    override = Override("block", float(int(store.now()) + 1000), 0)
    store.hit(PLAN, ("c",), 1)
    store.set_override("c", override, TTL)
    assert store.forget_all(TTL) == 1
    assert state_of(store, "c").override == override


def test_the_keys_of_limits_with_keys_of_their_own_are_forgotten(
    store: Store, backend: Backend
) -> None:
    plan = plan_of(Scope("own", (Limit(2, 60),), own_key=True))
    key = other_client(backend, same_slot=True)
    assert [store.hit(plan, ("c", key), 1).admitted for _ in range(3)] == [True, True, False]
    store.forget_all(TTL)
    assert store.hit(plan, ("c", key), 1).admitted


def test_other_keys_of_the_server_stay(one_server: Backend) -> None:
    odd = "a?*[^]\\"
    stores = [
        RedisStore(locate(one_server.uri), prefix=prefix, timeout=PATIENCE)
        for prefix in (odd, "ab", "irl")
    ]
    with one_server.client() as client:
        client.set("irl", 1)
        for store in stores:
            store.hit(PLAN, ("c",), 1)
        assert [stores[0].forget_all(TTL), stores[0].forget_all(TTL)] == [1, 0]
        assert [store.load(["c"])[0] is None for store in stores] == [True, False, False]
        assert client.get("irl") == b"1"
    for store in stores:
        store.close()


@pytest.mark.parametrize("returned", [False, True])
def test_a_profile_made_before_a_client_was_forgotten_stays_out(
    store: Store, returned: bool
) -> None:
    store.hit(PLAN, ("c",), 1)
    for _ in range(2):
        old = Update("c", state_of(store, "c").revision, 1, -1.0, PROFILE)
        store.forget("c", TTL)
        if returned:
            store.hit(PLAN, ("c",), 1)
        assert store.save([old], TTL)[0] in ("gone", "stale")
        assert returned or store.load(["c"]) == [None]
        assert store.hit(PLAN, ("c",), 1).step == 0
        save(store, "c")


# Keys


ODD = ["1.2.3.4", "2001:db8::/64", "user/7", "a:b:c", "Ærøskøbing", "客户", "🙂" * 16, "x" * 64,
       "%s", "$5", "*", "a?b[c]", ".", "..", "site", "#" * 5, "a b", "{", "}", "{}", "\0", "\ud800",
       "\r\n"]  # fmt: skip


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_a_client_may_be_called_anything(store: Store, name: str) -> None:
    client, plan = canonical(name), plan_of(VIEW)
    assert spend(store, plan, client) == 3
    save(store, client)
    assert state_of(store, client).profile == PROFILE
    assert store.forget(client, TTL)
    assert spend(store, plan, client) == 3


@pytest.mark.parametrize("name", ["a b", "{x}", "api.v1:GET", "客户", "x" * 500, "\0", "\ud800"])
def test_a_scope_may_be_called_anything(store: Store, name: str) -> None:
    assert spend(store, plan_of(Scope(name, VIEW.limits))) == 3
    assert spend(store, plan_of(Scope(name + "2", VIEW.limits))) == 2


# The site's own


def test_rows_come_back_in_order_and_the_oldest_go(store: Store) -> None:
    assert store.rows() == []
    store.add_rows([], 3)
    store.add_rows([b"1", b"\0\xff\r\n"], 3)
    assert store.rows() == [b"1", b"\0\xff\r\n"]
    store.add_rows([b"3", b"4"], 3)
    assert store.rows() == [b"\0\xff\r\n", b"3", b"4"]
    store.add_rows([b"%d" % n for n in range(10)], 3)
    assert store.rows() == [b"7", b"8", b"9"]
    assert store.row_count() == 3


def test_counts_add_up(store: Store) -> None:
    assert store.counts() == {}
    store.add_counts({})
    store.add_counts({"requests": 2, "route:/käse/<id>": 1})
    store.add_counts({"requests": 3})
    assert store.counts() == {"requests": 5, "route:/käse/<id>": 1}


def test_at_first_there_is_no_model(store: Store) -> None:
    assert (store.model_version(), store.model_versions(), store.model(1)) == (0, [], None)


def test_a_model_is_published_only_over_the_one_it_was_made_against(store: Store) -> None:
    assert store.publish(0, 1, b"one")
    assert not store.publish(0, 1, b"other")
    assert not store.publish(2, 3, b"other")
    assert store.publish(1, 2, b"two")
    assert (store.model_version(), store.model_versions()) == (2, [2, 1])
    assert (store.model(1), store.model(2), store.model(3)) == (b"one", b"two", None)


def test_the_latest_models_are_kept_and_one_of_the_hour(store: Store) -> None:
    for version in range(1, 13):
        assert store.publish(version - 1, version, b"%d" % version)
    assert store.model_versions() == [12, 11, 10, 9, 8, 1]
    assert store.model(7) is None
    assert store.model(8) == b"8"


def test_a_model_is_any_bytes(store: Store) -> None:
    blob = bytes(range(256)) * 2000
    assert store.publish(0, 1, blob)
    assert store.model(1) == blob


# Leases, which run by the store's own time


@pytest.fixture
def leases(backend: Backend) -> Store:
    return backend.open()


def test_a_lease_has_one_owner_who_may_renew_it(leases: Store) -> None:
    assert leases.take_lease("train", "a", 60)
    assert not leases.take_lease("train", "b", 60)
    assert leases.take_lease("train", "a", 60)
    assert leases.take_lease("other", "b", 60)


def test_a_lease_is_given_back_by_its_owner_only(leases: Store) -> None:
    leases.release_lease("train", "nobody")
    assert leases.take_lease("train", "a", 60)
    leases.release_lease("train", "b")
    assert not leases.take_lease("train", "b", 60)
    leases.release_lease("train", "a")
    assert leases.take_lease("train", "b", 60)


def test_a_lease_ends(leases: Store) -> None:
    assert leases.take_lease("train", "a", 0.01)
    wait_until(lambda: leases.take_lease("train", "b", 60), "the end of a lease")
    assert not leases.take_lease("train", "a", 60)


def test_a_renewed_lease_lasts_longer(leases: Store) -> None:
    assert leases.take_lease("train", "a", 0.05)
    assert leases.take_lease("train", "a", 60)
    assert leases.take_lease("clock", "a", 0.06)
    wait_until(lambda: leases.take_lease("clock", "b", 60), "the end of a lease")
    assert not leases.take_lease("train", "b", 60)


# The store itself


def test_its_clock_is_the_time(backend: Backend) -> None:
    store = backend.open()
    before = time.time()
    assert before - 1 < store.now() < time.time() + 1
    assert before - 1 < store.hit(PLAN, ("c",), 1).now / 1e6 < time.time() + 1


def test_an_injected_clock_is_the_clock(store: Store, clock: Clock) -> None:
    assert store.now() == clock.now


WAYS: dict[str, Callable[[Store], object]] = {
    "ping": lambda store: store.ping(),
    "close": lambda store: store.close(),
    "after_fork": lambda store: store.after_fork(),
    "expire": lambda store: store.expire(),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_goes_on_counting_after(store: Store, way: str) -> None:
    store.hit(PLAN, ("c",), 1)
    save(store, "c")
    WAYS[way](store)
    assert store.hit(PLAN, ("c",), 1).remaining == 3
    assert state_of(store, "c").profile == PROFILE


def test_only_memory_is_local(store: Store, backend: Backend) -> None:
    assert store.local == (backend.kind == "memory")


def test_a_scope_on_standby_neither_counts_nor_refuses(store: Store) -> None:
    asleep = Scope("", PLAN.scopes[0].limits, standby=True)
    alone = Plan((asleep,), "fixed-window", (1.0, 0.4))
    beside = Plan((asleep, VIEW), "fixed-window", (1.0, 0.4))
    for _ in range(2):
        store.hit(PLAN, ("c",), 1)
    free = [store.hit(alone, ("c",), 1) for _ in range(9)]
    assert {(hit.admitted, hit.binding, hit.limit) for hit in free} == {(True, 0, 0)}
    shown = [store.hit(beside, ("c", "c"), 1) for _ in range(4)]
    assert [(hit.admitted, hit.binding, hit.remaining) for hit in shown] == [
        *((True, 1, 2), (True, 1, 1), (True, 1, 0)),
        (False, 1, 0),
    ]
    # What was counted before is where it was.
    assert store.hit(PLAN, ("c",), 1).remaining == 2


FREE = RatePlan("free", (Limit(2, 60),)).scope
PRO = RatePlan("pro", (Limit(3, 60), Limit(4, 3600))).scope
ASLEEP = Scope("", PLAN.scopes[0].limits, standby=True)


def test_each_rate_plan_of_a_client_keeps_its_own_count(store: Store) -> None:
    free, pro = (Plan((ASLEEP, scope, VIEW), "fixed-window", (1.0, 0.4)) for scope in (FREE, PRO))
    keys = ("c",) * 3
    assert [store.hit(plan, keys, 1).admitted for plan in (free, pro, free)] == [True] * 3
    # Back from the other plan, it has no more than was left. The route's limit counts all of them.
    refused = [store.hit(replace(free, scopes=free.scopes[:x]), keys[:x], 1) for x in (2, 3)]
    assert [(x.admitted, x.limit, x.remaining) for x in refused] == [(False, 2, 0), (False, 3, 0)]
    other = store.hit(replace(pro, scopes=pro.scopes[:2]), keys[:2], 0)
    assert (other.admitted, other.limit, other.remaining) == (True, 3, 2)
    # Also of a plan that has the same windows.
    plus = replace(free, scopes=(ASLEEP, RatePlan("plus", FREE.limits).scope))
    assert store.hit(plus, keys[:2], 1).remaining == 1


def test_many_clients_are_read_at_once(store: Store) -> None:
    plan = Plan((ASLEEP, FREE), "fixed-window", (1.0, 0.4))
    names = [f"c{number}" for number in range(20)]
    for number, name in enumerate(names[:10]):
        for _ in range(number % 3):
            store.hit(plan, (name, name), 1)
    store.set_override("c0", Override("block", store.now() + 900), TTL)
    before = [store.peek(plan, (name, name)) for name in names]
    assert store.peek_many(plan, names) == before
    assert [each.cells[1][1] for each in before[:10]] == [n % 3 for n in range(10)]
    assert store.peek_many(plan, []) == []


@pytest.mark.parametrize("ruled", [False, True])
def test_a_limit_of_the_clients_own_counts_instead_of_its_rate_plan(
    store: Store, ruled: bool
) -> None:
    plan = Plan((ASLEEP, FREE, VIEW), "fixed-window", (1.0, 0.4))
    if ruled:
        plan = replace(plan, shown="")
    keys = ("c",) * 3
    store.hit(plan, keys, 1)
    until = float(int(store.now()) + 30)
    store.set_override("c", Override("limit", until, 20), TTL)
    hits = [store.hit(plan, keys, 1) for _ in range(3)]
    # The route's limit still counts; it is the third of the whole plan's.
    assert [hit.admitted for hit in hits] == [True, True, False]
    assert hits[2].binding == 2
    assert hits[0].limit == (20 if ruled else 3)
    shown = current_limits(plan, store.peek(plan, keys), store.now())
    assert [(x.scope, x.remaining) for x in shown] == [("", 18), (VIEW.name, 0)]
    store.set_override("c", None, TTL)
    left = store.hit(plan, keys, 0)
    assert (left.limit, left.remaining) == (3, 0)
    without_view = replace(plan, scopes=(ASLEEP, FREE), shown=None)
    assert store.hit(without_view, ("c", "c"), 0).remaining == 1


def test_a_scope_on_standby_counts_while_the_client_has_a_limit_of_its_own(store: Store) -> None:
    alone = Plan((Scope("", PLAN.scopes[0].limits, standby=True),), "fixed-window", (1.0, 0.4))
    until = float(int(store.now()) + 30)
    store.set_override("c", Override("limit", until, 2), TTL)
    hits = [store.hit(alone, ("c",), 1) for _ in range(3)]
    assert [(hit.admitted, hit.limit, hit.remaining) for hit in hits] == [
        *((True, 2, 1), (True, 2, 0)),
        (False, 2, 0),
    ]
    store.set_override("c", Override("block", until), TTL)
    assert not store.hit(alone, ("c",), 1).admitted
    store.set_override("c", Override("allow", until), TTL)
    assert store.hit(alone, ("c",), 1).admitted
