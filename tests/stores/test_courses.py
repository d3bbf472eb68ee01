"""Test the courses of clients on every kind of store: slots that add up, and bounds."""

from __future__ import annotations

import math
import random

import pytest

from flask_irl.behaviour import courses
from flask_irl.behaviour.courses import (
    MOST_COUNTED,
    SLOTS_KEPT,
    CoursePart,
    Slot,
    add_slot,
    pack,
    unpack,
)
from flask_irl.stores.base import Store
from flask_irl.stores.history import History
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.stores.redis.courses import COURSE
from flask_irl.verdicts.course_rows import FADES
from tests.conftest import Clock
from tests.stores.conftest import Backend

HASH = "irl1.{site}.courses"
RANKS = "irl1.{site}.courses.ranks"
NUMBER = 6_000_000


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    """Open a store whose clock moves only when a test moves it."""
    return backend.open(clock)


def slot(number: int = NUMBER, *minutes: int, **more: float) -> Slot:
    return Slot(number, (*minutes, *(0,) * (5 - len(minutes))), **more)  # type: ignore[arg-type]


def add(store: Store, client: str, *slots: Slot, rank: float = 0.0) -> None:
    parts = [CoursePart(client, rank, pack(one)) for one in slots]
    store.add_counts({}, None, History({}, {}, parts))


def course(store: Store, client: str) -> list[Slot]:
    return unpack(store.courses([client])[0])


def test_a_client_without_a_course_has_none(store: Store) -> None:
    assert store.courses(["a", "b"]) == [b"", b""]
    assert store.courses([]) == []
    assert store.course_clients() == []


def test_what_workers_add_to_a_slot_adds_up(store: Store) -> None:
    begins = NUMBER * 300.0
    add(store, "a", slot(NUMBER, 3, 1, refused=2, lowest=-0.2, step=0))
    flagged = slot(NUMBER, 0, 4, refused=1, lowest=-0.61, step=2, flagged_at=begins + 64)
    add(store, "a", flagged)
    add(store, "a", slot(NUMBER, 0, 0, 1, step=1, relieved_at=begins + 200))
    add(store, "a", slot(NUMBER, relieved_at=begins + 100, flagged_at=begins + 150))
    assert course(store, "a") == [
        Slot(NUMBER, (3, 5, 1, 0, 0), 3, -0.61, 2, begins + 64, begins + 200)
    ]


def test_slots_are_in_order_whichever_worker_tells_first(store: Store) -> None:
    order = [5, 3, 4, 9, 3]
    for number in order:
        add(store, "a", slot(NUMBER + number, 1))
    found = [(one.number - NUMBER, one.minutes[0]) for one in course(store, "a")]
    assert found == [(3, 2), (4, 1), (5, 1), (9, 1)]


def test_counts_stop_at_the_most_that_is_told_apart(store: Store) -> None:
    add(store, "a", slot(NUMBER, MOST_COUNTED - 1, refused=70_000))
    add(store, "a", slot(NUMBER, 9, refused=9, lowest=-1.0))
    [found] = course(store, "a")
    assert (found.minutes[0], found.refused, found.lowest) == (MOST_COUNTED, MOST_COUNTED, -1.0)


def test_a_course_has_the_slots_of_a_day(store: Store) -> None:
    many = [slot(NUMBER + n, 1) for n in range(SLOTS_KEPT + 7)]
    add(store, "a", *many)
    assert course(store, "a") == many[7:]


def test_only_the_highest_clients_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, clients=20, slots=1000)
    for number in range(60):
        add(store, f"c{number}", slot(NUMBER, 1), rank=float(number % 30))
    add(store, "c5", slot(NUMBER, 1), rank=100.0)
    add(store, "c5", slot(NUMBER, 1), rank=0.0)
    found = store.course_clients()
    assert 20 <= len(found) <= 22
    assert found[:4] == ["c5", "c59", "c29", "c58"]
    assert all(store.courses(found))
    assert course(store, "c0") == []


def test_all_slots_together_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, clients=20, slots=50)
    for number in range(10):
        add(store, f"c{number}", *(slot(NUMBER + n, 1) for n in range(9)), rank=float(-number))
    found = store.course_clients()
    assert found == ["c0", "c1", "c2", "c3", "c4"]
    assert store.courses(["c9"]) == [b""]


def test_courses_whose_day_is_over_go(store: Store) -> None:
    add(store, "old", slot(NUMBER, 1), rank=1.0)
    add(store, "flagged", slot(NUMBER, 1), rank=8.0)
    add(store, "new", slot(NUMBER + 287, 1), rank=9.0)
    assert store.course_clients() == ["new", "flagged", "old"]
    add(store, "new", slot(NUMBER + 288, 1), rank=9.0)
    assert store.course_clients() == ["new"]
    add(store, "old", slot(NUMBER + 289, 1), rank=1.0)
    assert store.course_clients() == ["new", "old"]


def test_courses_are_dropped(store: Store) -> None:
    for client in ("a", "b", "c"):
        add(store, client, slot(NUMBER, 1))
    store.drop_courses(["a", "nobody"])
    assert (sorted(store.course_clients()), store.courses(["a"])) == (["b", "c"], [b""])
    store.clear_courses()
    assert (store.course_clients(), store.courses(["b"])) == ([], [b""])
    add(store, "b", slot(NUMBER, 4))
    assert course(store, "b") == [slot(NUMBER, 4)]


def test_many_clients_are_read_in_parts(store: Store) -> None:
    names = [f"c{number}" for number in range(450)]
    parts = [CoursePart(name, 0.0, pack(slot(NUMBER, 1))) for name in names]
    store.add_counts({}, None, History({}, {}, parts))
    assert {len(one) for one in store.courses([*names, "nobody"])[:-1]} == {courses.FORM.size}
    assert len(store.course_clients()) == 450


def test_names_of_clients_may_be_anything(store: Store) -> None:
    odd = "käse \x00\r\n{}|"
    add(store, odd, slot(NUMBER, 3))
    assert (course(store, odd), store.course_clients()) == ([slot(NUMBER, 3)], [odd])


def test_redis_and_memory_do_the_same(redis_backend: Backend, clock: Clock) -> None:
    here, there = MemoryStore(clock=clock), redis_backend.open(clock)
    dice = random.Random(27)
    for _ in range(200):
        begins = (NUMBER + dice.randrange(5)) * 300.0
        one = Slot(
            int(begins // 300),
            tuple(dice.choice((0, 1, 300, 40_000)) for _ in range(5)),
            dice.choice((0, 7, 50_000)),
            -dice.random(),
            dice.randrange(4),
            dice.choice((None, begins + dice.randrange(300))),
            dice.choice((None, begins + dice.randrange(300))),
        )
        client, rank = dice.choice("abc"), dice.random()
        for store in (here, there):
            add(store, client, one, rank=rank)
    assert here.courses(list("abc")) == there.courses(list("abc"))
    assert here.course_clients() == there.course_clients()


@pytest.mark.parametrize("value", [b"", b"x", b"\xff" * 20, b"\x00" * 22])
def test_a_damaged_course_begins_anew(one_server: Backend, value: bytes) -> None:
    store = one_server.open_redis()
    add(store, "b", slot(NUMBER, 1))
    with one_server.client() as client:
        client.hset(HASH, "a", value)
    assert unpack(store.courses(["a"])[0])[1:] == []
    add(store, "a", slot(NUMBER, 2))
    assert course(store, "a")[-1] == slot(NUMBER, 2)


@pytest.mark.parametrize("key", [HASH, RANKS])
@pytest.mark.parametrize("lost", [False, True])
def test_courses_that_lost_their_bounds_begin_anew(
    one_server: Backend, key: str, lost: bool
) -> None:
    store = one_server.open_redis()
    add(store, "a", slot(NUMBER, 1))
    with one_server.client() as client:
        client.delete(key)
        if not lost:
            client.rpush(key, "5")
        assert store.courses(["a"]) == [b""] or key == RANKS
        assert store.course_clients() == [] or key == HASH
        add(store, "b", slot(NUMBER, 2))
        assert client.hlen(HASH) == 2
        assert client.hget(HASH, "") == b"1"
    assert store.course_clients() == ["b"]


def test_ranks_that_nobody_can_have_keep_no_client_out(
    one_server: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded(monkeypatch, clients=2, slots=100)
    store = one_server.open_redis()
    number = int(store.now() // 300)
    now = number * 300 / FADES
    assert f" {FADES:.0f}," in COURSE.text.decode()
    for client, rank in (("x", math.inf), ("y", now + 1e6)):
        add(store, client, slot(number, 1), rank=now)
        with one_server.client() as client_of_redis:
            client_of_redis.zadd(RANKS, {client: rank})
    add(store, "a", slot(number, 1), rank=now + 9)
    # A worker that lost its store long ago tells of then.
    add(store, "b", slot(number, 1), rank=0.0)
    assert store.course_clients() == ["a", "b"]


def bounded(monkeypatch: pytest.MonkeyPatch, clients: int, slots: int) -> None:
    """Have stores keep fewer clients and slots, as small as the test is."""
    from flask_irl.stores.memory import courses as memory
    from flask_irl.stores.redis import courses as redis

    for module in (memory, redis):
        monkeypatch.setattr(module, "CLIENTS_KEPT", clients)
        monkeypatch.setattr(module, "ROUTE_COURSES_KEPT", clients)
        monkeypatch.setattr(module, "ALL_SLOTS_KEPT", slots)
        monkeypatch.setattr(module, "ROUTE_SLOTS_KEPT", slots)


# Packed slots


def test_a_slot_is_packed_to_few_bytes_and_back() -> None:
    begins = NUMBER * 300.0
    one = Slot(NUMBER, (1, 2, 3, 4, 65_535), 17, -0.4567, 3, begins + 298, begins)
    assert len(pack(one)) == 21
    assert unpack(pack(one)) == [one]
    assert unpack(pack(one) + b"half a slot") == [one]
    assert add_slot(b"", pack(one)) == pack(one)
