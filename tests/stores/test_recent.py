"""Keep clients' recent requests, bounded in number and age, on every kind of store."""

from __future__ import annotations

import pytest

from flask_irl.behaviour.recent import MOST_KEPT, RecentRequest
from flask_irl.stores.base import Store
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.recent import RecentBounds, decode
from flask_irl.stores.redis.recent import DROPPED_AT_ONCE
from tests.conftest import Clock
from tests.stores.conftest import Backend, plan_of

TTL = 7200
BOUNDS = RecentBounds(3, clients=4, seconds=100)


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


def request(at: float, status: int = 200) -> RecentRequest:
    return RecentRequest(at, "GET", "/ünï/<int:n>", status, "allowed", 1)


def statuses(store: Store, client: str) -> list[int]:
    return [decode(data).status for data in store.recent(client)]


def test_the_latest_requests_of_each_client_are_kept(store: Store, clock: Clock) -> None:
    assert store.recent("ada") == []
    store.add_recent({}, BOUNDS)
    store.add_recent({"ada": [request(clock(), 201)], "site": [request(clock(), 404)]}, BOUNDS)
    clock.advance(1)
    store.add_recent({"ada": [request(clock(), n) for n in (202, 203)]}, BOUNDS)
    assert statuses(store, "ada") == [203, 202, 201]
    assert statuses(store, "site") == [404]
    store.add_recent({"ada": [request(clock(), n) for n in range(300, 309)]}, BOUNDS)
    assert statuses(store, "ada") == [308, 307, 306]
    assert decode(store.recent("ada")[0]) == request(clock(), 308)


def test_fewer_are_kept_from_the_next_request_on(store: Store, clock: Clock) -> None:
    store.add_recent({"ada": [request(clock(), n) for n in (1, 2, 3)]}, BOUNDS)
    store.add_recent({"ada": [request(clock(), 4)]}, RecentBounds(2))
    assert statuses(store, "ada") == [4, 3]


def test_requests_that_are_too_old_go_with_the_next_one(store: Store, clock: Clock) -> None:
    store.add_recent({"ada": [request(clock(), n) for n in (1, 2)]}, BOUNDS)
    clock.advance(99)
    store.add_recent({"ada": [request(clock(), 3)]}, BOUNDS)
    assert statuses(store, "ada") == [3, 2, 1]
    clock.advance(2)
    store.add_recent({"ada": [request(clock(), 4)]}, BOUNDS)
    assert statuses(store, "ada") == [4, 3]
    store.add_recent({"bob": [request(clock() - 200)]}, BOUNDS)
    assert statuses(store, "bob") == []


def test_the_clients_that_came_first_make_room(store: Store, clock: Clock) -> None:
    for name in "abcdef":
        store.add_recent({name: [request(clock())]}, BOUNDS)
        clock.advance(1)
    assert [len(store.recent(name)) for name in "abcdef"] == [0, 0, 1, 1, 1, 1]
    store.add_recent({"c": [request(clock())], "g": [request(clock())]}, BOUNDS)
    assert [len(store.recent(name)) for name in "cdefg"] == [2, 0, 1, 1, 1]


def test_requests_are_forgotten_with_their_client(store: Store, clock: Clock) -> None:
    names = ("ada", "bob", "cid")
    for name in names:
        store.hit(plan_of(), (name,), 1)
        store.add_recent({name: [request(clock())]}, BOUNDS)
    assert store.forget("ada", TTL)
    assert [len(store.recent(name)) for name in names] == [0, 1, 1]
    # Also of one that is known by nothing else.
    store.add_recent({"dan": [request(clock())]}, BOUNDS)
    assert store.forget_all(TTL) == 2
    assert [len(store.recent(name)) for name in (*names, "dan")] == [0, 0, 0, 0]


def test_parts_of_a_store_keep_their_own(store: Store, clock: Clock) -> None:
    part = store.within("part")
    part.add_recent({"ada": [request(clock())]}, BOUNDS)
    assert (len(part.recent("ada")), store.recent("ada")) == (1, [])


def test_damaged_values_begin_anew(one_server: Backend, clock: Clock) -> None:
    store = one_server.open(clock)
    with one_server.client() as client:
        client.set("irl1.{ada}.recent", "x")
        client.set("irl1.{site}.recent-clients", "x")
        assert store.recent("ada") == []
        store.add_recent({"ada": [request(clock(), 5)]}, BOUNDS)
        assert statuses(store, "ada") == [5]
        client.rpush("irl1.{ada}.recent", "no request", "\xff")
        store.add_recent({"ada": [request(clock(), 6)]}, BOUNDS)
        assert statuses(store, "ada") == [6, 5]


def test_no_more_are_read_than_may_be_kept(one_server: Backend) -> None:
    store = one_server.open_redis()
    with one_server.client() as client:
        client.rpush("irl1.{ada}.recent", *(str(number) for number in range(MOST_KEPT + 5)))
    found = store.recent("ada")
    assert (len(found), found[0]) == (MOST_KEPT, b"0")


def test_a_long_forged_list_of_clients_is_cut_down_part_by_part(
    one_server: Backend, clock: Clock
) -> None:
    store, key = one_server.open(clock), "irl1.{site}.recent-clients"
    with one_server.client() as client:
        client.zadd(key, {b"\xff%d" % number: clock() - 1 for number in range(4 * DROPPED_AT_ONCE)})
        left = []
        for name in "abcdef":
            store.add_recent({name: [request(clock())]}, BOUNDS)
            left.append(client.zcard(key))
        assert left[:3] == [n * DROPPED_AT_ONCE for n in (3, 2, 1)]
        assert client.zrange(key, 0, -1) == [b"c", b"d", b"e", b"f"]
    assert [len(store.recent(name)) for name in "abcdef"] == [0, 0, 1, 1, 1, 1]


def test_workers_that_make_room_at_once_drop_no_more_than_is_too_many(
    one_server: Backend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (one_server.open(clock) for _ in range(2))
    for name in "abcd":
        clock.advance(1)
        one.add_recent({name: [request(clock(), 201)]}, BOUNDS)
    clock.advance(1)
    write = one._write  # type: ignore[attr-defined]

    def write_then_wait(*commands: object) -> object:
        monkeypatch.undo()
        answers = write(*commands)
        other.add_recent({"g": [request(clock() + 1, 201)]}, BOUNDS)
        return answers

    monkeypatch.setattr(one, "_write", write_then_wait)
    one.add_recent({name: [request(clock(), 201)] for name in "ef"}, BOUNDS)
    assert [name for name in "abcdefg" if one.recent(name)] == [*"defg"]


def test_old_forged_names_go_too(one_server: Backend, clock: Clock) -> None:
    store, key = one_server.open(clock), "irl1.{site}.recent-clients"
    with one_server.client() as client:
        client.zadd(key, {b"\xff": 0.0})
        store.add_recent({"ada": [request(clock())]}, BOUNDS)
        assert client.zrange(key, 0, -1) == [b"ada"]


def test_nothing_is_left_in_redis_after_the_time(one_server: Backend) -> None:
    store = one_server.open_redis()
    now = store.now()
    store.add_recent({"ada": [request(now)]}, BOUNDS)
    with one_server.client() as client:
        assert 95 <= client.ttl("irl1.{ada}.recent") <= 100
        assert 95 <= client.ttl("irl1.{site}.recent-clients") <= 100
        client.zadd("irl1.{site}.recent-clients", {"old": now - 500})
        store.add_recent({"bob": [request(now)]}, BOUNDS)
        assert client.zrange("irl1.{site}.recent-clients", 0, -1) == [b"ada", b"bob"]


def test_nothing_is_left_in_memory_after_the_time(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    store.add_recent({"ada": [request(clock())]}, BOUNDS)
    clock.advance(101)
    store.expire()
    assert store._recent == {}


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\xff", b"5", b"{}", b"[]", b'[1, "GET", "/", 200, "allowed"]'),
        *(
            b'["1", "GET", "/", 200, "allowed", 1]',
            b'[1, 5, "/", 200, "allowed", 1]',
            b'[1, "GET", null, 200, "allowed", 1]',
            b'[1, "GET", "/", NaN, "allowed", 1]',
            b'[1, "GET", "/", 200, "<b>", 1]',
            b'[-1, "GET", "/", 200, "allowed", 1]',
            b'[1e30, "GET", "/", 200, "allowed", 1]',
        ),
    ],
)
def test_what_is_no_request_is_told_apart(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(data)


def test_a_request_of_a_later_version_is_read() -> None:
    data = b'[1.5, "GET", "/", 200, "allowed", 3, "more"]'
    assert decode(data) == RecentRequest(1.5, "GET", "/", 200, "allowed", 3)


def test_long_texts_are_cut() -> None:
    found = decode(RecentRequest(1.0, "X" * 500, "/" * 5000, 200, "allowed", 1).encode())
    assert (len(found.method), len(found.route)) == (20, 200)
