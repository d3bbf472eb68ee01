"""Test the models of the site on every kind of store: publication, pins, and which ones stay."""

from __future__ import annotations

from itertools import pairwise

import pytest
import redis

from flask_irl.stores.base import Store
from flask_irl.stores.redis.scripts import read_script
from flask_irl.stores.retention import MODELS_KEPT
from flask_irl.stores.site import Pin, Publication, Revisions
from tests.conftest import Clock
from tests.stores.conftest import Backend

HOUR = 3600
SITE = "irl1.{site}."
PUBLISH_BEFORE = (
    read_script("number").text
    + b"""
local current = whole(redis.pcall('GET', KEYS[1])) or 0
if current ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2])
local versions = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  versions[#versions + 1] = whole(name)
end
table.sort(versions, function(a, b) return a > b end)
for i = tonumber(ARGV[4]) + 1, #versions do
  redis.call('HDEL', KEYS[2], string.format('%.0f', versions[i]))
end
return 1
"""
)
"""The script by which builds before this one publish."""


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


def publish(store: Store, *versions: int) -> None:
    """Put models in force, one after the other."""
    for version in versions:
        assert store.publish(store.model_version(), version, b"%d" % version)


# Pins


def test_a_kept_model_is_put_in_force_and_pinned(store: Store) -> None:
    publish(store, 1, 2)
    assert store.pin(1)
    assert store.revisions() == Revisions(1, 0, 0, pin=Pin(1, 0.0))
    assert (store.model_version(), store.model_versions()) == (1, [2, 1])


def test_a_model_that_is_not_kept_is_not_pinned(store: Store) -> None:
    publish(store, 1)
    assert not store.pin(2)
    assert store.revisions() == Revisions(1, 0, 0, pin=None)


def test_while_a_version_is_pinned_a_new_model_is_kept_aside(store: Store) -> None:
    publish(store, 1, 2)
    store.pin(1)
    assert store.publish(1, 3, b"three") is Publication.KEPT_ASIDE
    assert store.model_version() == 1
    assert (store.model_versions(), store.model(3)) == ([3, 2, 1], b"three")


@pytest.mark.parametrize("pinned", [1, 2])
def test_a_training_that_ends_just_as_a_version_is_pinned_does_not_undo_it(
    store: Store, pinned: int
) -> None:
    publish(store, 1, 2)
    expected = store.model_version()
    store.pin(pinned)
    assert store.publish(expected, 3, b"three") is Publication.KEPT_ASIDE
    assert store.model_version() == pinned


def test_a_pin_ends_at_its_time(store: Store, clock: Clock) -> None:
    publish(store, 1, 2)
    store.pin(1, clock() + 60)
    clock.advance(59.9)
    pin = store.revisions().pin
    assert pin is not None
    assert pin.version == 1
    assert pin.until == pytest.approx(clock() + 0.1, abs=0.01)
    clock.advance(0.1)
    assert store.revisions() == Revisions(1, 0, 0, pin=None)
    assert store.publish(1, 3, b"three") is Publication.IN_FORCE
    assert store.model_version() == 3


def test_the_store_keeps_the_time_of_a_pin(backend: Backend) -> None:
    store = backend.open()
    publish(store, 1, 2)
    store.pin(1, store.now() + 60)
    assert store.publish(1, 3, b"three") is Publication.KEPT_ASIDE
    store.pin(1, store.now() - 1)
    assert store.publish(1, 4, b"four") is Publication.IN_FORCE


def test_a_pin_that_is_taken_back_leaves_its_model_in_force_until_the_next(store: Store) -> None:
    publish(store, 1, 2)
    store.pin(1)
    assert store.unpin()
    assert store.revisions() == Revisions(1, 0, 0, pin=None)
    assert not store.publish(2, 3, b"three")
    assert store.publish(1, 3, b"three") is Publication.IN_FORCE


def test_without_a_pin_none_is_taken_back(store: Store, clock: Clock) -> None:
    assert not store.unpin()
    publish(store, 1)
    store.pin(1, clock() + 60)
    clock.advance(60)
    assert not store.unpin()


def test_another_pin_takes_the_place_of_the_first(store: Store, clock: Clock) -> None:
    publish(store, 1, 2)
    store.pin(1, clock() + 60)
    store.pin(2)
    clock.advance(60)
    assert store.revisions() == Revisions(2, 0, 0, pin=Pin(2, 0.0))


@pytest.mark.parametrize("pinned", [False, True])
def test_a_version_that_is_taken_is_not_published_again(store: Store, pinned: bool) -> None:
    publish(store, 1, 2)
    if pinned:
        store.pin(1)
    assert store.publish(store.model_version(), 2, b"other") is Publication.OVERTAKEN
    assert store.model(2) == b"2"


# Which models stay


def test_models_of_a_day_are_thinned_and_not_cut(store: Store, clock: Clock) -> None:
    times: dict[int, float] = {}
    for version in range(1, 12 * 24 + 1):
        publish(store, version)
        times[version] = clock()
        clock.advance(300)
    ages = [(clock() - times[version]) / HOUR for version in store.model_versions()]
    assert ages[:5] == pytest.approx([n / 12 for n in range(1, 6)])
    assert ages[-1] > 21
    assert max(b - a for a, b in pairwise(ages)) <= 6
    assert len(ages) <= MODELS_KEPT


def test_models_that_are_kept_are_whole_and_the_others_gone(store: Store, clock: Clock) -> None:
    for version in range(1, 40):
        publish(store, version)
        clock.advance(600)
    kept = store.model_versions()
    assert {version: store.model(version) for version in range(1, 40)} == {
        version: b"%d" % version if version in kept else None for version in range(1, 40)
    }


def test_a_pinned_model_stays_however_old(store: Store, clock: Clock) -> None:
    publish(store, 1, 2)
    store.pin(1)
    for version in range(3, 60):
        store.publish(1, version, b"x")
        clock.advance(8 * HOUR)
    assert store.model_versions()[-1] == 1
    assert (store.model_version(), store.model(1)) == (1, b"1")
    assert len(store.model_versions()) <= MODELS_KEPT


# Beside a build before this one, which knows neither pins nor all models


@pytest.fixture
def shared(redis_backend: Backend, clock: Clock) -> tuple[Store, redis.Redis]:
    """Open a store, and a client on the server that holds the site's keys."""
    store = redis_backend.open(clock)
    publish(store, 1)
    servers = (server.client() for server in redis_backend.servers)
    [client] = [client for client in servers if client.keys(f"{SITE}model")]
    return store, client


def publish_as_before(client: redis.Redis, version: int) -> int:
    """Publish a model as a worker of a build before this one does, over the one in force."""
    in_force = int(client.get(f"{SITE}model") or 0)
    keys = (f"{SITE}model", f"{SITE}models")
    return int(client.eval(PUBLISH_BEFORE.decode(), 2, *keys, in_force, version, b"old", 5))


def test_a_pin_holds_here_whatever_an_older_build_publishes(
    shared: tuple[Store, redis.Redis], clock: Clock
) -> None:
    store, client = shared
    publish(store, 2)
    store.pin(1)
    for version in range(3, 12):
        assert publish_as_before(client, version) == 1
        clock.advance(300)
    assert store.revisions() == Revisions(1, 0, 0, pin=Pin(1, 0.0))
    assert store.model(1) == b"1"
    assert store.publish(1, 12, b"twelve") is Publication.KEPT_ASIDE
    store.unpin()
    assert (store.model_version(), client.get(f"{SITE}model")) == (1, b"1")
    assert client.hget(f"{SITE}models", "1") == b"1"


def test_an_older_build_finds_the_pinned_model_and_drops_no_older_ones(
    shared: tuple[Store, redis.Redis], clock: Clock
) -> None:
    store, client = shared
    for version in range(2, 20):
        clock.advance(1200)
        publish(store, version)
    oldest = store.model_versions()[-1]
    store.pin(oldest)
    assert client.get(f"{SITE}model") == b"%d" % oldest
    assert client.hget(f"{SITE}models", str(oldest)) == b"%d" % oldest
    before = set(store.model_versions())
    assert publish_as_before(client, 20) == 1
    assert before - set(store.model_versions()) == set()


def test_models_of_an_older_build_are_taken_over(shared: tuple[Store, redis.Redis]) -> None:
    store, client = shared
    for version in range(2, 8):
        publish_as_before(client, version)
    publish(store, 8)
    assert store.model_versions() == [8, 7, 6, 5, 4, 1]
    publish_as_before(client, 9)
    assert store.model_versions() == [9, 8, 7, 6, 5, 4, 1]
    assert store.model(4) == b"old"


@pytest.mark.parametrize(
    "damage",
    [
        {"version": "x", "until": "0"},
        {"version": "1"},
        {"until": "0"},
        {"version": "0", "until": "0"},
        {"version": "1", "until": "-5"},
        {"version": "1", "until": "soon"},
    ],
    ids=str,
)
def test_a_damaged_pin_is_none(one_server: Backend, clock: Clock, damage: dict[str, str]) -> None:
    store = one_server.open(clock)
    publish(store, 1, 2)
    for field, value in damage.items():
        one_server.client().hset(f"{SITE}pin", field, value)
    assert store.revisions() == Revisions(2, 0, 0, pin=None)
    assert store.publish(2, 3, b"three") is Publication.IN_FORCE


def test_fields_of_a_later_build_are_ignored(one_server: Backend, clock: Clock) -> None:
    store = one_server.open(clock)
    publish(store, 1, 2)
    store.pin(1)
    one_server.client().hset(f"{SITE}pin", "colour", "red")
    assert store.revisions().pin == Pin(1, 0.0)
