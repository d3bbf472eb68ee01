"""Test how long the Redis store keeps keys, what it keeps in them, and its connections."""

from __future__ import annotations

import pytest

from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope
from flask_irl.stores.location import locate
from flask_irl.stores.redis.store import RedisStore
from tests.conftest import Clock
from tests.servers import RedisServer, wait_until

TTL = 8000
KEY = "irl1:{c}"
ONE = (Scope("", (Limit(5, 60),)),)
ROUTE = Scope("route", (Limit(5, 60),))
TWO = (*ONE, ROUTE)
SECOND = (Scope("", ()), ROUTE)


@pytest.mark.parametrize(
    "scopes", [ONE, TWO, SECOND], ids=["one scope", "two scopes", "the second alone"]
)
def test_a_clients_key_is_renewed_in_time(
    redis_server: RedisServer, clock: Clock, scopes: tuple[Scope, ...]
) -> None:
    plan = Plan(scopes, "fixed-window", (1.0,), ttl_seconds=TTL)
    keys = ["c"] * len(scopes)
    clock.now = 1000.0 * TTL
    store = RedisStore(locate(redis_server.url), timeout=5.0, clock=clock)
    with redis_server.client() as client:
        client.flushall()
        store.hit(plan, keys, 1)
        assert client.ttl(KEY) == TTL + TTL // 8
        client.expire(KEY, TTL)
        # Nothing lapses before this eighth is over; after it the key lives on.
        clock.advance(TTL / 8 + 1)
        store.hit(plan, keys, 1)
        assert client.ttl(KEY) == TTL + TTL // 8
    store.close()


def test_a_scopes_key_is_renewed_by_each_request(redis_server: RedisServer, clock: Clock) -> None:
    plan = Plan(SECOND, "fixed-window", (1.0,), ttl_seconds=TTL)
    store = RedisStore(locate(redis_server.url), timeout=5.0, clock=clock)
    with redis_server.client() as client:
        client.flushall()
        store.hit(plan, ["c", "c"], 1)
        [key] = set(client.keys()) - {KEY.encode()}
        client.expire(key, 3)
        clock.advance(1)
        store.hit(plan, ["c", "c"], 1)
        assert client.ttl(key) == 2 * 60
    store.close()


@pytest.mark.parametrize("scopes", [ONE, SECOND], ids=["one scope", "the second alone"])
def test_a_write_in_place_keeps_the_profile(
    redis_server: RedisServer, clock: Clock, scopes: tuple[Scope, ...]
) -> None:
    plan = Plan(scopes, "fixed-window", (1.0,), ttl_seconds=TTL)
    keys = ["c"] * len(scopes)
    store = RedisStore(locate(redis_server.url), timeout=5.0, clock=clock)
    with redis_server.client() as client:
        client.flushall()
        store.hit(plan, keys, 1)
        client.append(KEY, b"the profile")
        for _ in range(3):
            clock.advance(1)
            store.hit(plan, keys, 1)
        [state] = store.load(["c"])
    assert state is not None
    assert state.profile == b"the profile"
    assert state.last_seen == clock.now
    store.close()


def test_a_store_that_is_used_once_more_after_its_end_leaves_no_connection(
    redis_server: RedisServer,
) -> None:
    """As a training does that ends after its limiter was closed."""
    plan = Plan(ONE, "fixed-window", (1.0,), ttl_seconds=TTL)
    store = RedisStore(locate(redis_server.url), timeout=5.0)
    with redis_server.client() as client:
        before = len(client.client_list())
        store.close()
        store.put_note("training", b"{}")
        store.hit(plan, ["c"], 1)
        assert store.note("training") == b"{}"
        wait_until(lambda: len(client.client_list()) == before, "its connections are closed")
