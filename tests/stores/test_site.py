"""Test the state of the site on every kind of store."""

from __future__ import annotations

import pytest

from flask_irl.limits.keys import canonical
from flask_irl.limits.override import Kind, Override
from flask_irl.stores.base import Store
from flask_irl.stores.site import AUDIT_KEPT, RANKED, Revisions
from tests.conftest import Clock
from tests.stores.conftest import Backend, plan_of

TTL = 7200
PLAN = plan_of()


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


# Revisions


def test_at_first_all_revisions_are_0(store: Store) -> None:
    assert store.revisions() == Revisions(model=0, settings=0, epoch=0)


def test_an_epoch_advances_alone(store: Store) -> None:
    store.advance_epoch()
    store.advance_epoch()
    assert store.revisions() == Revisions(model=0, settings=0, epoch=2)


def test_the_model_in_force_is_a_revision(store: Store) -> None:
    store.publish(0, 7, b"seven")
    assert store.revisions() == Revisions(model=7, settings=0, epoch=0)


def test_settings_have_a_revision(store: Store) -> None:
    store.put_settings(0, b"{}")
    assert store.revisions() == Revisions(model=0, settings=1, epoch=0)


# Campaigns


def test_the_table_of_campaigns_is_replaced_only_at_its_revision(store: Store) -> None:
    assert store.campaigns() == (0, None)
    assert store.put_campaigns(0, b"one")
    assert not store.put_campaigns(0, b"other")
    assert store.put_campaigns(1, b"two")
    assert store.campaigns() == (2, b"two")
    assert store.revisions() == Revisions(model=0, settings=0, epoch=0, campaigns=2)


def test_news_are_taken_once_oldest_first_and_the_latest_are_kept(store: Store) -> None:
    for number in range(5):
        store.add_news("a", b"%d" % number, 4)
    store.add_news("b", b"other", 4)
    assert store.take_news("a", 3) == [b"1", b"2", b"3"]
    assert store.take_news("a", 3) == [b"4"]
    assert store.take_news("a", 3) == []
    assert store.take_news("b", 3) == [b"other"]


# Sessions


def test_a_session_is_read_until_it_ends(store: Store, clock: Clock) -> None:
    store.put_session("a", b"ada \xff", clock() + 10, 5)
    assert store.session("b") is None
    clock.advance(9)
    assert store.session("a") == b"ada \xff"
    clock.advance(2)
    assert (store.session("a"), store.end_session("a")) == (None, None)


def test_a_session_is_replaced_by_one_of_its_name(store: Store, clock: Clock) -> None:
    store.put_session("a", b"1", clock() + 10, 1)
    store.put_session("a", b"2", clock() + 20, 1)
    clock.advance(15)
    assert store.session("a") == b"2"


def test_a_session_is_ended_by_one_caller(store: Store, clock: Clock) -> None:
    store.put_session("a", b"ada", clock() + 10, 5)
    assert [store.end_session("a"), store.end_session("a")] == [b"ada", None]
    assert store.session("a") is None


def test_a_session_that_has_ended_is_not_renewed(store: Store, clock: Clock) -> None:
    store.put_session("a", b"1", clock() + 10, 5)
    store.put_session("a", b"2", clock() + 20, 5, renew=True)
    assert store.end_session("a") == b"2"
    store.put_session("a", b"3", clock() + 20, 5, renew=True)
    assert store.session("a") is None


def test_sessions_are_bounded_and_the_first_to_end_makes_room(store: Store, clock: Clock) -> None:
    for name, seconds in (("a", 30), ("b", 10), ("c", 20), ("d", 40)):
        store.put_session(name, name.encode(), clock() + seconds, 3)
    assert [store.session(name) for name in "abcd"] == [b"a", None, b"c", b"d"]
    # Those that have ended take no place.
    clock.advance(35)
    for name in "ef":
        store.put_session(name, name.encode(), clock() + 50, 3)
    assert [store.session(name) for name in "adef"] == [None, b"d", b"e", b"f"]


# Settings


def test_at_first_no_settings_were_made(store: Store) -> None:
    assert store.settings() == (0, None)


def test_settings_come_back_with_a_revision_that_grows(store: Store) -> None:
    assert store.put_settings(0, b"one")
    assert store.settings() == (1, b"one")
    assert store.put_settings(1, b"two")
    assert store.settings() == (2, b"two")


@pytest.mark.parametrize("expected", [0, 2])
def test_settings_made_against_another_revision_change_nothing(store: Store, expected: int) -> None:
    store.put_settings(0, b"mine")
    assert not store.put_settings(expected, b"other")
    assert store.settings() == (1, b"mine")


@pytest.mark.parametrize("settings", [b"", b"\0\xff\r\n", b"x" * 100_000])
def test_settings_are_any_bytes(store: Store, settings: bytes) -> None:
    store.put_settings(0, settings)
    assert store.settings() == (1, settings)


# Audit log


def test_at_first_nothing_was_audited(store: Store) -> None:
    assert store.audit(0, 50) == ([], 0)


def test_the_audit_log_is_read_newest_first(store: Store) -> None:
    for entry in (b"first", b"\0\xff\r\n", b"last"):
        store.add_audit(entry)
    assert store.audit(0, 50) == ([b"last", b"\0\xff\r\n", b"first"], 3)


@pytest.mark.parametrize(
    ("offset", "count", "page"),
    [
        (0, 2, [b"4", b"3"]),
        (2, 2, [b"2", b"1"]),
        (4, 2, [b"0"]),
        (5, 2, []),
        (99, 2, []),
        (0, 0, []),
        (2, 0, []),
    ],
)
def test_the_audit_log_comes_in_pages(
    store: Store, offset: int, count: int, page: list[bytes]
) -> None:
    for n in range(5):
        store.add_audit(b"%d" % n)
    assert store.audit(offset, count) == (page, 5)


def test_of_the_audit_log_the_latest_thousand_are_kept(store: Store) -> None:
    for n in range(AUDIT_KEPT + 3):
        store.add_audit(b"%d" % n)
    entries, total = store.audit(AUDIT_KEPT - 1, 50)
    assert (entries, total) == ([b"3"], AUDIT_KEPT)
    assert store.audit(0, 1)[0] == [b"%d" % (AUDIT_KEPT + 2)]


# Rankings


def test_a_ranking_without_clients_is_empty(store: Store) -> None:
    store.rank("active", {})
    store.rank("active", {}, ["nobody"])
    assert store.ranked("active", 0, 50) == ([], 0)


def test_clients_are_ranked_highest_first(store: Store) -> None:
    store.rank("active", {"low": 0.25, "high": 1e9, "middle": 3.0})
    assert store.ranked("active", 0, 50) == (["high", "middle", "low"], 3)


def test_a_client_ranked_again_is_ranked_anew(store: Store) -> None:
    store.rank("active", {"a": 1.0, "b": 2.0})
    store.rank("active", {"a": 3.0})
    assert store.ranked("active", 0, 50) == (["a", "b"], 2)
    store.rank("active", {"a": 0.5})
    assert store.ranked("active", 0, 50) == (["b", "a"], 2)


def test_rankings_are_apart(store: Store) -> None:
    store.rank("active", {"a": 1.0})
    store.rank("flagged", {"b": 1.0})
    store.rank("active", {}, ["b"])
    assert store.ranked("active", 0, 50) == (["a"], 1)
    assert store.ranked("flagged", 0, 50) == (["b"], 1)


def test_a_client_that_is_gone_leaves_a_ranking(store: Store) -> None:
    store.rank("active", {"a": 1.0, "b": 2.0, "c": 3.0})
    store.rank("active", {"d": 4.0}, ["a", "c", "nobody"])
    assert store.ranked("active", 0, 50) == (["d", "b"], 2)


@pytest.mark.parametrize(
    ("offset", "count", "page"),
    [
        (0, 2, ["c4", "c3"]),
        (4, 2, ["c0"]),
        (5, 2, []),
        (0, 0, []),
        (2, 0, []),
    ],
)
def test_a_ranking_comes_in_pages(store: Store, offset: int, count: int, page: list[str]) -> None:
    store.rank("active", {f"c{n}": float(n) for n in range(5)})
    assert store.ranked("active", offset, count) == (page, 5)


@pytest.mark.parametrize(
    ("least", "page", "total"),
    [(None, ["c3", "c2"], 5), (1.5, ["c3", "c2"], 3), (3.0, ["c3"], 2), (9.5, [], 0)],
)
def test_of_a_ranking_the_low_values_may_be_left_out(
    store: Store, least: float | None, page: list[str], total: int
) -> None:
    store.rank("active", {f"c{n}": float(n) for n in range(5)})
    assert store.ranked("active", 1, 2, least) == (page, total)


def test_a_least_value_may_be_as_large_and_precise_as_a_time(store: Store) -> None:
    at = 28_333_333.331234567
    store.rank("active", {"below": at - 1e-6, "at": at, "over": at + 1e-6})
    assert store.ranked("active", 0, 9, at) == (["over", "at"], 2)


def test_the_order_of_equals_is_that_of_their_names_backwards(store: Store) -> None:
    # So that pages neither repeat nor skip a client, on any store.
    store.rank("active", dict.fromkeys(("b", "é", "a", "客户", "c"), 1.0))
    assert store.ranked("active", 0, 50)[0] == ["客户", "é", "c", "b", "a"]


def test_of_a_ranking_the_thousand_highest_are_kept(store: Store) -> None:
    store.rank("active", {f"c{n}": float(n) for n in range(RANKED)})
    store.rank("active", {"new": 0.5, "newer": 2.5})
    names, total = store.ranked("active", 0, 2 * RANKED)
    assert (len(names), total) == (RANKED, RANKED)
    assert names[-4:] == ["c3", "newer", "c2", "c1"]


def test_a_client_that_leaves_a_full_ranking_makes_room(store: Store) -> None:
    store.rank("active", {f"c{n}": float(n) for n in range(RANKED)})
    store.rank("active", {"new": 5000.0}, ["c500"])
    names, total = store.ranked("active", 0, RANKED)
    assert total == RANKED
    assert (names[0], names[-1]) == ("new", "c0")


@pytest.mark.parametrize("name", ["2001:db8::/64", "Ærøskøbing", "客户", "x" * 64, "a b", "{}", ""])
def test_a_ranked_client_may_be_called_anything(store: Store, name: str) -> None:
    client = canonical(name)
    store.rank("active", {client: 1.0})
    assert store.ranked("active", 0, 50) == ([client], 1)


# Unique clients


def test_at_first_there_are_no_unique_clients(store: Store) -> None:
    store.count_unique([])
    assert store.unique_clients() == 0


def test_a_client_counts_once_however_often_it_comes(store: Store) -> None:
    for _ in range(3):
        store.count_unique(["a", "b", "a"])
    store.count_unique(["客户"])
    assert store.unique_clients() == 3


@pytest.mark.parametrize("count", [200, 5000, 60_000])
def test_many_clients_are_counted_to_about_a_percent(store: Store, count: int) -> None:
    # Whether linear counting, the estimator or its change-over: four standard errors of 0.8%.
    names = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(count)]
    for start in range(0, count, 5000):
        store.count_unique(names[start : start + 5000])
    assert store.unique_clients() == pytest.approx(count, rel=0.033)


# Overrides


def test_an_override_makes_an_unknown_client_known(store: Store, clock: Clock) -> None:
    override = Override("limit", clock() + 60, 2)
    store.set_override("c", override, TTL)
    [state] = store.load(["c"])
    assert state is not None
    assert (state.override, state.last_seen, state.profile) == (override, 0.0, b"")


@pytest.mark.parametrize(
    ("kind", "admitted"),
    [("allow", 12), ("block", 0), ("limit", 2)],
)
def test_an_override_decides_until_it_ends(
    store: Store, clock: Clock, kind: Kind, admitted: int
) -> None:
    store.set_override("c", Override(kind, clock() + 600, 2 if kind == "limit" else 0), TTL)
    assert sum(store.hit(PLAN, ("c",), 1).admitted for _ in range(12)) == admitted
    clock.advance(600)
    assert sum(store.hit(PLAN, ("c",), 1).admitted for _ in range(12)) == 5


def test_a_removed_override_leaves_the_counts(store: Store, clock: Clock) -> None:
    for _ in range(4):
        store.hit(PLAN, ("c",), 1)
    store.set_override("c", Override("allow", clock() + 600), TTL)
    store.hit(PLAN, ("c",), 1)
    store.set_override("c", None, TTL)
    [state] = store.load(["c"])
    assert state is not None
    assert state.override is None
    assert [store.hit(PLAN, ("c",), 1).admitted for _ in range(2)] == [True, False]


def test_an_override_outlives_that_its_client_is_forgotten(store: Store, clock: Clock) -> None:
    override = Override("block", clock() + 600)
    store.hit(PLAN, ("c",), 1)
    store.set_override("c", override, TTL)
    assert store.forget("c", TTL)
    [state] = store.load(["c"])
    assert state is not None
    assert (state.override, state.last_seen) == (override, 0.0)
    assert not store.hit(PLAN, ("c",), 1).admitted


# Networks

NETWORK, OTHER = "203.0.113.0/24", "2001:db8::/48"


def test_at_first_no_network_is_overridden(store: Store) -> None:
    assert store.networks() == {}
    assert store.drop_networks([NETWORK])
    assert store.revisions().networks == 0


def test_networks_come_back_and_each_change_has_a_revision(store: Store) -> None:
    revisions = [store.revisions().networks]
    assert store.put_network(NETWORK, b"\0one", 10)
    revisions.append(store.revisions().networks)
    assert store.put_network(OTHER, b"two", 10)
    revisions.append(store.revisions().networks)
    assert store.put_network(NETWORK, b"three", 10)
    revisions.append(store.revisions().networks)
    assert store.networks() == {NETWORK: b"three", OTHER: b"two"}
    assert store.drop_networks([NETWORK, "192.0.2.0/24"])
    revisions.append(store.revisions().networks)
    assert store.networks() == {OTHER: b"two"}
    assert sorted(set(revisions)) == revisions


def test_there_are_no_more_networks_than_are_allowed(store: Store) -> None:
    assert store.put_network(NETWORK, b"one", 1)
    before = store.revisions()
    assert not store.put_network(OTHER, b"two", 1)
    assert (store.networks(), store.revisions()) == ({NETWORK: b"one"}, before)
    assert store.put_network(NETWORK, b"three", 1)


def test_networks_are_dropped_only_at_the_revision_that_is_expected(store: Store) -> None:
    store.put_network(NETWORK, b"one", 10)
    read = store.revisions().networks
    store.put_network(NETWORK, b"longer", 10)
    assert not store.drop_networks([NETWORK], read)
    assert store.networks() == {NETWORK: b"longer"}
    assert store.drop_networks([NETWORK], store.revisions().networks)
    assert store.networks() == {}


def test_thousands_of_networks_are_dropped_at_once(store: Store) -> None:
    names = [f"10.{n // 250}.{n % 250}.0/24" for n in range(1200)]
    for name in names:
        store.put_network(name, b"x", 10_000)
    assert store.drop_networks(names, store.revisions().networks)
    assert store.networks() == {}


def test_no_revision_of_networks_comes_twice_after_all_is_lost(redis_backend: Backend) -> None:
    store = redis_backend.open()
    store.put_network(NETWORK, b"one", 10)
    before = store.revisions().networks
    for server in redis_backend.servers:
        with server.client() as client:
            client.flushall()
    store.put_network(OTHER, b"two", 10)
    assert store.revisions().networks > before
