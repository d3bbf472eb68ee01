"""Test the history of a site on every kind of store: rollups in rings, and tallies by day."""

from __future__ import annotations

import pytest

from flask_irl.behaviour.rollups import (
    MAXIMA,
    NOTHING,
    RINGS,
    SUMS,
    Rollup,
    Seconds,
    decode,
    encode,
)
from flask_irl.stores.base import Store
from flask_irl.stores.history import DAY, DAYS_KEPT, TALLIED, History
from tests.conftest import Clock
from tests.stores.conftest import Backend

SITE = "irl1.{site}."


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


def rollup(allowed: int, flagged_clients: int = 0, version: int = 0) -> Rollup:
    return Rollup((flagged_clients, version), (allowed, *NOTHING.sums[1:]))


def add(store: Store, resolution: int, begin: int, *rollups: Rollup) -> None:
    for one in rollups:
        store.add_counts({}, None, History({(resolution, begin): one}, {}))


# Rollups


def test_a_period_without_a_request_is_absent(store: Store, clock: Clock) -> None:
    now = int(clock())
    assert store.rollups(1, now - 299, now) == {}


def test_sums_add_up_and_the_highest_of_the_maxima_stays(store: Store, clock: Clock) -> None:
    now = int(clock())
    add(store, 1, now, rollup(3, 7, 2), rollup(4, 5, 3))
    add(store, 1, now - 1, rollup(1))
    assert store.rollups(1, now - 9, now) == {now - 1: rollup(1), now: rollup(7, 7, 3)}
    assert store.rollups(1, now, now) == {now: rollup(7, 7, 3)}
    assert store.rollups(10, now - 9, now) == {}


@pytest.mark.parametrize("resolution", RINGS)
def test_a_ring_has_so_many_places_and_the_latest_turn(store: Store, resolution: int) -> None:
    turn = resolution * RINGS[resolution]
    begin = 1_700_000_000 // resolution * resolution
    add(store, resolution, begin, rollup(5))
    add(store, resolution, begin + turn, rollup(6))
    # One that waited for too long takes no place from a later one.
    add(store, resolution, begin, rollup(9))
    assert store.rollups(resolution, begin, begin) == {}
    assert store.rollups(resolution, begin + turn, begin + turn) == {begin + turn: rollup(6)}


def test_all_resolutions_are_written_in_one_call(store: Store) -> None:
    seconds = Seconds()
    for second in (1_700_000_000, 1_700_000_001, 1_700_000_011):
        seconds.add(second, 0, 2)
    store.add_counts({"requests": 6}, None, History(seconds.fold((4, 1), 3), {}))
    found = {r: store.rollups(r, 1_699_990_000, 1_700_000_020) for r in RINGS}
    allowed = {r: [one.sums[0] for one in rollups.values()] for r, rollups in found.items()}
    assert allowed == {1: [2, 2, 2], 10: [4, 2], 60: [6], 3600: [6]}
    assert found[60][1_699_999_980].named()["store_errors"] == 3
    assert store.counts() == {"requests": 6}


def test_a_ring_on_redis_is_bounded(redis_backend: Backend) -> None:
    store = redis_backend.open_redis()
    with redis_backend.client() as client:
        for second in range(1_700_000_000, 1_700_000_000 + 310):
            add(store, 1, second, rollup(1))
        assert client.hlen(f"{SITE}rollups.1") == RINGS[1]


@pytest.mark.parametrize("value", [b"", b"x", b"1700000000", b"1700000000 -1|-4", b"\xff|" * 9])
def test_a_damaged_rollup_is_absent_and_counted_anew(one_server: Backend, value: bytes) -> None:
    store, begin = one_server.open_redis(), 1_700_000_000
    with one_server.client() as client:
        client.hset(f"{SITE}rollups.1", str(begin % RINGS[1]), value)
    assert store.rollups(1, begin, begin) == {}
    add(store, 1, begin, rollup(2))
    assert store.rollups(1, begin, begin) == {begin: rollup(2)}


def test_a_ring_of_another_type_is_absent_and_made_anew(one_server: Backend) -> None:
    store, begin = one_server.open_redis(), 1_700_000_000
    with one_server.client() as client:
        client.rpush(f"{SITE}rollups.1", "5")
    assert store.rollups(1, begin, begin) == {}
    add(store, 1, begin, rollup(2))
    assert store.rollups(1, begin, begin) == {begin: rollup(2)}


def test_figures_of_a_later_version_are_kept_and_left_out(one_server: Backend) -> None:
    store, begin = one_server.open_redis(), 1_700_000_000
    later = f"{encode(rollup(2, 1))} 8".replace("|", " 9|")
    field = str(begin % RINGS[1])
    with one_server.client() as client:
        client.hset(f"{SITE}rollups.1", field, f"{begin} {later}")
        add(store, 1, begin, rollup(3, 4))
        stored = client.hget(f"{SITE}rollups.1", field)
    assert store.rollups(1, begin, begin) == {begin: rollup(5, 4)}
    assert isinstance(stored, bytes)
    assert stored.endswith(b" 8")
    assert b" 9|" in stored


def test_figures_that_an_earlier_version_lacks_are_0() -> None:
    assert decode("1|2 3") == Rollup(
        (1, *NOTHING.maxima[1:]), (2, 3, *(0 for _ in range(len(SUMS) - 2)))
    )
    assert decode(encode(rollup(1))) == rollup(1)
    assert len(MAXIMA) == 2


# Tallies


def tally(store: Store, day: int, name: str, **counts: int) -> None:
    store.add_counts({}, None, History({}, {(day, name): counts}))


def test_a_tally_adds_up_by_day_and_gives_the_highest(store: Store, clock: Clock) -> None:
    day = int(clock() // DAY)
    tally(store, day, "client.requests", a=2, b=5)
    tally(store, day, "client.requests", a=4, c=1)
    tally(store, day - 1, "client.requests", a=50)
    wanted = [(day, "client.requests"), (day - 1, "client.requests"), (day, "other")]
    found = store.tallies(wanted, 2)
    assert [list(one.items()) for one in found] == [[("a", 6), ("b", 5)], [("a", 50)], []]


def test_counts_of_some_members_are_read_by_day(store: Store, clock: Clock) -> None:
    day, odd = int(clock() // DAY), "käse \x00\r\n{}|"
    store.add_counts({}, None, History({}, {(day, "x"): {"a": 2, "b": 5, odd: 3}}))
    tally(store, day - 1, "x", a=7)
    wanted = [(day, "x"), (day - 1, "x"), (day - DAYS_KEPT, "x"), (day, "other")]
    assert store.tally_counts(wanted, ["a", odd, "c"]) == [{"a": 2, odd: 3}, {"a": 7}, {}, {}]
    assert store.tally_counts(wanted, []) == [{}, {}, {}, {}]
    assert store.tally_counts([], ["a"]) == []


def test_a_tally_is_bounded(store: Store, clock: Clock) -> None:
    day = int(clock() // DAY)
    for start in range(0, 3 * TALLIED, 100):
        tally(store, day, "x", **{f"c{n}": n + 1 for n in range(start, start + 100)})
    [found] = store.tallies([(day, "x")], 10 * TALLIED)
    assert TALLIED <= len(found) <= 2 * TALLIED
    assert next(iter(found)) == f"c{3 * TALLIED - 1}"


def test_tallies_of_past_days_go(store: Store, clock: Clock) -> None:
    day = int(clock() // DAY)
    tally(store, day, "x", a=1)
    clock.advance((DAYS_KEPT - 1) * DAY)
    tally(store, day + DAYS_KEPT - 1, "x", a=1)
    assert store.tallies([(day, "x")], 9) == [{"a": 1}]
    clock.advance(DAY)
    tally(store, day + DAYS_KEPT, "x", b=2)
    assert store.tallies([(day, "x"), (day + DAYS_KEPT, "x")], 9) == [{}, {"b": 2}]


def test_tallies_on_redis_have_a_bounded_number_of_keys(redis_backend: Backend) -> None:
    store = redis_backend.open_redis()
    for day in range(3 * DAYS_KEPT):
        tally(store, day, "x", a=1)
    keys = [key for server in redis_backend.servers for key in server.client().keys("*tally.*")]
    assert len(keys) == DAYS_KEPT


def test_damaged_tallies_are_absent_and_counted_anew(one_server: Backend) -> None:
    store = one_server.open_redis()
    with one_server.client() as client:
        client.set(f"{SITE}tally.7.x", "5")
        client.zadd(f"{SITE}tally.7.y", {"a": float("inf"), b"\xff": 3.0, "b": 2.0})
        client.hset(f"{SITE}tallies", mapping={"7.x": "7", "7.y": "7", "7.z": "soon"})
    assert store.tallies([(7, "z")], 9) == [{}]
    assert store.tallies([(7, "x"), (7, "y")], 9) == [{}, {"b": 2}]
    assert store.tally_counts([(7, "x"), (7, "y"), (7, "z")], ["a", "b"]) == [{}, {"b": 2}, {}]
    tally(store, 7, "x", a=1)
    assert store.tallies([(7, "x")], 9) == [{"a": 1}]


def test_names_of_clients_may_be_anything(store: Store, clock: Clock) -> None:
    odd, day = "käse \x00\r\n{}|", int(clock() // DAY)
    store.add_counts({}, None, History({}, {(day, "x"): {odd: 3}}))
    assert store.tallies([(day, "x")], 9) == [{odd: 3}]
