"""Test what stores keep for the operators' overview, on every kind of store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from flask_irl.behaviour.site_counts import MinuteCounts
from flask_irl.stores.base import Store
from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from flask_irl.stores.server import ServerInfo
from flask_irl.stores.site import MINUTES_KEPT, WORKER_SECONDS
from tests.conftest import Clock
from tests.servers import HOST, RedisServer
from tests.stores.conftest import PATIENCE, Backend

SITE = "irl1.{site}."


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


def minute_of(clock: Clock) -> int:
    return int(clock() // 60)


# Counts by minute


def test_minutes_without_a_request_are_absent(store: Store) -> None:
    assert store.minutes([]) == {}
    assert store.minutes([28333333, 28333334]) == {}


def test_the_counts_of_a_minute_add_up_apart_from_other_minutes(store: Store, clock: Clock) -> None:
    now = minute_of(clock)
    store.add_counts({}, {now - 1: MinuteCounts(5, 1), now: MinuteCounts(2, 0)})
    store.add_counts({"requests": 3}, {now: MinuteCounts(3, 3)})
    found = store.minutes([now - 2, now - 1, now])
    assert found == {now - 1: MinuteCounts(5, 1), now: MinuteCounts(5, 3)}
    assert store.counts() == {"requests": 3}


def test_counts_of_a_minute_may_be_large(store: Store, clock: Clock) -> None:
    now = minute_of(clock)
    for _ in range(2):
        store.add_counts({}, {now: MinuteCounts(10**14, 10**13)})
    assert store.minutes([now]) == {now: MinuteCounts(2 * 10**14, 2 * 10**13)}


def test_minutes_are_kept_for_two_hours_in_memory(clock: Clock) -> None:
    store = Backend("memory").open(clock)
    first = minute_of(clock)
    for _ in range(MINUTES_KEPT + 3):
        store.add_counts({}, {minute_of(clock): MinuteCounts(1, 0)})
        clock.advance(60)
    kept = store.minutes(range(first, first + MINUTES_KEPT + 9))
    assert len(kept) == MINUTES_KEPT - 1
    assert min(kept) > first


def test_minutes_are_kept_for_two_hours_on_redis(redis_backend: Backend, clock: Clock) -> None:
    store, now = redis_backend.open_redis(clock), minute_of(clock)
    store.add_counts({}, {now: MinuteCounts(1, 0)})
    with redis_backend.client() as client:
        assert 0 < client.ttl(f"{SITE}minute.{now}") <= 60 * MINUTES_KEPT


@pytest.mark.parametrize("value", [b"", b"x", b"5", b"5 x", b"-1 2", b"9" * 400])
def test_a_damaged_minute_is_absent_and_counted_anew(
    one_server: Backend, clock: Clock, value: bytes
) -> None:
    store, now = one_server.open_redis(clock), minute_of(clock)
    with one_server.client() as client:
        client.set(f"{SITE}minute.{now}", value)
    assert store.minutes([now]) == {}
    store.add_counts({"requests": 4}, {now: MinuteCounts(4, 1)})
    assert store.minutes([now]) == {now: MinuteCounts(4, 1)}


def test_a_minute_of_another_type_is_absent_and_counted_anew(
    one_server: Backend, clock: Clock
) -> None:
    store, now = one_server.open_redis(clock), minute_of(clock)
    with one_server.client() as client:
        client.rpush(f"{SITE}minute.{now}", "5 5")
    assert store.minutes([now]) == {}
    store.add_counts({"requests": 4}, {now: MinuteCounts(4, 1)})
    assert (store.minutes([now]), store.counts()) == (
        {now: MinuteCounts(4, 1)},
        {"requests": 4},
    )


def test_what_a_later_version_writes_behind_the_counts_of_a_minute_is_ignored(
    one_server: Backend, clock: Clock
) -> None:
    store, now = one_server.open_redis(clock), minute_of(clock)
    with one_server.client() as client:
        client.set(f"{SITE}minute.{now}", "5 2 1 news")
    assert store.minutes([now]) == {now: MinuteCounts(5, 2)}


# Workers


def test_at_first_no_worker_lives(store: Store) -> None:
    assert store.workers() == {}


def test_a_worker_lives_until_it_has_told_nothing_for_half_a_minute(
    store: Store, clock: Clock
) -> None:
    store.tell_worker("web-1:7", b"\0\xff\r\n")
    clock.advance(WORKER_SECONDS - 1)
    store.tell_worker("web-2:7", b"")
    assert store.workers() == {"web-1:7": b"\0\xff\r\n", "web-2:7": b""}
    clock.advance(2)
    assert store.workers() == {"web-2:7": b""}


def test_a_workers_latest_report_counts(store: Store, clock: Clock) -> None:
    store.tell_worker("web-1:7", b"old")
    clock.advance(WORKER_SECONDS - 1)
    store.tell_worker("web-1:7", b"new")
    clock.advance(WORKER_SECONDS - 1)
    assert store.workers() == {"web-1:7": b"new"}


def test_workers_of_the_future_are_forgotten_when_the_clock_was_set_back(
    store: Store, clock: Clock
) -> None:
    store.tell_worker("web-1:7", b"early")
    clock.advance(-3600)
    assert store.workers() == {}


@pytest.mark.parametrize("kind", ["hash", "string"])
def test_damaged_workers_are_dropped(one_server: Backend, clock: Clock, kind: str) -> None:
    store = one_server.open_redis(clock)
    with one_server.client() as client:
        if kind == "hash":
            client.hset(f"{SITE}workers", "web-1:7", "no time")
        else:
            client.set(f"{SITE}workers", "hello")
    assert store.workers() == {}
    store.tell_worker("web-2:7", b"well")
    assert store.workers() == {"web-2:7": b"well"}
    with one_server.client() as client:
        assert client.hkeys(f"{SITE}workers") == [b"web-2:7"]


def test_workers_tell_by_the_servers_time(one_server: Backend) -> None:
    store = one_server.open_redis()
    store.tell_worker("web-1:7", b"well")
    assert store.workers() == {"web-1:7": b"well"}


# Notes


def test_a_note_replaces_the_one_of_its_name(store: Store) -> None:
    assert store.note("training") is None
    store.put_note("training", b"first")
    store.put_note("training", b"\0\xff\r\n")
    store.put_note("other", b"")
    assert (store.note("training"), store.note("other")) == (b"\0\xff\r\n", b"")


# The server


def test_a_store_in_this_process_has_no_server() -> None:
    store = Backend("memory").open()
    assert (store.kind, store.address, store.server()) == ("memory", "memory://", ServerInfo())


def test_a_server_tells_of_its_version_and_memory(redis_backend: Backend) -> None:
    store = redis_backend.open_redis()
    found = store.server()
    assert found.version is not None
    name, _, number = found.version.partition(" ")
    assert name == ("Valkey" if redis_backend.kind == "valkey" else "Redis")
    assert number.count(".") == 2
    assert found.memory_used is not None
    assert found.memory_used > 100_000
    assert (found.memory_limit, found.policy) == (None, "noeviction")
    kind = "redis" if redis_backend.kind == "valkey" else redis_backend.kind
    assert store.kind == kind


@pytest.fixture
def limited() -> Iterator[RedisServer]:
    """Run a server with a password and little memory."""
    config = {"requirepass": "geheim", "maxmemory": "50mb", "maxmemory-policy": "allkeys-lru"}
    with RedisServer(config=config) as server:
        yield server


def test_a_server_tells_of_its_limit_and_policy_and_the_address_keeps_the_password(
    limited: RedisServer,
) -> None:
    store = RedisStore(locate(f"redis://:geheim@{HOST}:{limited.port}/3"), timeout=PATIENCE)
    found = store.server()
    assert (found.memory_limit, found.policy) == (50 * 1024 * 1024, "allkeys-lru")
    assert store.address == f"redis://{HOST}:{limited.port}/3"
    store.close()


def test_a_user_that_may_not_ask_the_server_learns_nothing_of_it(limited: RedisServer) -> None:
    with redis.Redis(HOST, limited.port, password="geheim") as client:
        client.execute_command("ACL", "SETUSER", "ann", "on", ">word", "~*", "+@all", "-info")
    store = RedisStore(locate(f"redis://ann:word@{HOST}:{limited.port}"), timeout=PATIENCE)
    assert store.server() == ServerInfo()
    store.close()


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("memory://", "memory://"),
        ("redis://", "redis://localhost:6379/0"),
        ("redis://ann:geheim@db:7000/2", "redis://db:7000/2"),
        ("rediss://:geheim@db", "rediss://db:6379/0"),
        ("redis://:geheim@[::1]:7000", "redis://[::1]:7000/0"),
        ("unix:///run/redis.sock?db=1&password=geheim", "unix:///run/redis.sock"),
        (
            "redis+cluster://ann:geheim@a:7000,b:7001",
            "redis+cluster://a:7000,b:7001",
        ),
        (
            "rediss+sentinel://:geheim@a:1,b:2/main/4",
            "rediss+sentinel://a:1,b:2/main/4",
        ),
    ],
)
def test_an_address_has_neither_user_nor_password(uri: str, address: str) -> None:
    assert locate(uri).address == address
