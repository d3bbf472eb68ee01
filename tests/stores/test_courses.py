"""Test the courses of clients on every kind of store: slots that add up, and bounds.

Courses of clients on single routes pass the same tests.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

import pytest

from flask_irl.behaviour import courses
from flask_irl.behaviour.course_routes import course_name
from flask_irl.behaviour.courses import (
    EXPIRE_SECONDS,
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

KEYS = {"": "irl1.{site}.courses", "POST /login": "irl1.{site}.courses.routes"}
"""Keys of the courses by the route that they are on; empty for all requests."""
NUMBER = 6_000_000


class Courses:
    """Hold a store's courses of one kind.

    Args:
        store: The store.
        route: The route that they are on; empty for all requests.
    """

    def __init__(self, store: Store, route: str) -> None:
        self.store = store
        self.route = route

    def clients(self) -> list[str]:
        """List the clients, the highest first."""
        if not self.route:
            return self.store.course_clients()
        return [name.removesuffix(f" {self.route}") for name in self.store.route_courses()]

    def read(self, clients: Sequence[str]) -> list[bytes]:
        """Read the courses of clients."""
        if not self.route:
            return self.store.courses(clients)
        return self.store.courses_on_routes([course_name(c, self.route) for c in clients])

    def add(self, parts: Iterable[CoursePart]) -> None:
        """Add parts as a flush does."""
        own = [part._replace(route=self.route) for part in parts]
        self.store.add_counts({}, None, History({}, {}, own))


@pytest.fixture(params=[*KEYS], ids=["all", "route"])
def route(request: pytest.FixtureRequest) -> str:
    """Give the route that courses are on; empty for all requests."""
    found: str = request.param
    return found


@pytest.fixture
def store(backend: Backend, clock: Clock, route: str) -> Courses:
    """Open a store whose clock moves only when a test moves it."""
    return Courses(backend.open(clock), route)


def slot(number: int = NUMBER, *minutes: int, **more: float) -> Slot:
    return Slot(number, (*minutes, *(0,) * (5 - len(minutes))), **more)  # type: ignore[arg-type]


def add(store: Courses, client: str, *slots: Slot, rank: float = 0.0) -> None:
    store.add(CoursePart(client, rank, pack(one)) for one in slots)


def course(store: Courses, client: str) -> list[Slot]:
    return unpack(store.read([client])[0])


def test_a_client_without_a_course_has_none(store: Courses) -> None:
    assert store.read(["a", "b"]) == [b"", b""]
    assert store.read([]) == []
    assert store.clients() == []


def test_what_workers_add_to_a_slot_adds_up(store: Courses) -> None:
    begins = NUMBER * 300.0
    add(store, "a", slot(NUMBER, 3, 1, refused=2, lowest=-0.2, step=0))
    flagged = slot(NUMBER, 0, 4, refused=1, lowest=-0.61, step=2, flagged_at=begins + 64)
    add(store, "a", flagged)
    add(store, "a", slot(NUMBER, 0, 0, 1, step=1, relieved_at=begins + 200))
    add(store, "a", slot(NUMBER, relieved_at=begins + 100, flagged_at=begins + 150))
    assert course(store, "a") == [
        Slot(NUMBER, (3, 5, 1, 0, 0), 3, -0.61, 2, begins + 64, begins + 200)
    ]


def test_slots_are_in_order_whichever_worker_tells_first(store: Courses) -> None:
    order = [5, 3, 4, 9, 3]
    for number in order:
        add(store, "a", slot(NUMBER + number, 1))
    found = [(one.number - NUMBER, one.minutes[0]) for one in course(store, "a")]
    assert found == [(3, 2), (4, 1), (5, 1), (9, 1)]


def test_counts_stop_at_the_most_that_is_told_apart(store: Courses) -> None:
    add(store, "a", slot(NUMBER, MOST_COUNTED - 1, refused=70_000))
    add(store, "a", slot(NUMBER, 9, refused=9, lowest=-1.0))
    [found] = course(store, "a")
    assert (found.minutes[0], found.refused, found.lowest) == (MOST_COUNTED, MOST_COUNTED, -1.0)


def test_a_course_has_the_slots_of_a_day(store: Courses) -> None:
    many = [slot(NUMBER + n, 1) for n in range(SLOTS_KEPT + 7)]
    add(store, "a", *many)
    assert course(store, "a") == many[7:]


def test_only_the_highest_clients_are_kept(store: Courses, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, clients=20, slots=1000)
    for number in range(60):
        add(store, f"c{number}", slot(NUMBER, 1), rank=float(number % 30))
    add(store, "c5", slot(NUMBER, 1), rank=100.0)
    add(store, "c5", slot(NUMBER, 1), rank=0.0)
    found = store.clients()
    assert 20 <= len(found) <= 22
    assert found[:4] == ["c5", "c59", "c29", "c58"]
    assert all(store.read(found))
    assert course(store, "c0") == []


def test_all_slots_together_are_bounded(store: Courses, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, clients=20, slots=50)
    for number in range(10):
        add(store, f"c{number}", *(slot(NUMBER + n, 1) for n in range(9)), rank=float(-number))
    found = store.clients()
    assert found == ["c0", "c1", "c2", "c3", "c4"]
    assert store.read(["c9"]) == [b""]


def test_courses_whose_day_is_over_go(store: Courses) -> None:
    add(store, "old", slot(NUMBER, 1), rank=1.0)
    add(store, "flagged", slot(NUMBER, 1), rank=8.0)
    add(store, "new", slot(NUMBER + 287, 1), rank=9.0)
    assert store.clients() == ["new", "flagged", "old"]
    add(store, "new", slot(NUMBER + 288, 1), rank=9.0)
    assert store.clients() == ["new"]
    add(store, "old", slot(NUMBER + 289, 1), rank=1.0)
    assert store.clients() == ["new", "old"]


def test_courses_are_dropped(store: Courses) -> None:
    for client in ("a", "b", "c"):
        add(store, client, slot(NUMBER, 1))
    store.store.drop_courses(["a", "nobody"])
    assert (sorted(store.clients()), store.read(["a"])) == (["b", "c"], [b""])
    store.store.clear_courses()
    assert (store.clients(), store.read(["b"])) == ([], [b""])
    add(store, "b", slot(NUMBER, 4))
    assert course(store, "b") == [slot(NUMBER, 4)]


def test_many_clients_are_read_in_parts(store: Courses) -> None:
    names = [f"c{number}" for number in range(450)]
    store.add(CoursePart(name, 0.0, pack(slot(NUMBER, 1))) for name in names)
    assert {len(one) for one in store.read([*names, "nobody"])[:-1]} == {courses.FORM.size}
    assert len(store.clients()) == 450


def test_names_of_clients_may_be_anything(store: Courses) -> None:
    odd = "käse \x00\r\n{}|"
    add(store, odd, slot(NUMBER, 3))
    assert (course(store, odd), store.clients()) == ([slot(NUMBER, 3)], [odd])


def test_redis_and_memory_do_the_same(redis_backend: Backend, clock: Clock, route: str) -> None:
    stores = (MemoryStore(clock=clock), redis_backend.open(clock))
    here, there = (Courses(store, route) for store in stores)
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
    assert here.read(list("abc")) == there.read(list("abc"))
    assert here.clients() == there.clients()


@pytest.mark.parametrize("value", [b"", b"x", b"\xff" * 20, b"\x00" * 22])
def test_a_damaged_course_begins_anew(one_server: Backend, route: str, value: bytes) -> None:
    store = Courses(one_server.open_redis(), route)
    add(store, "b", slot(NUMBER, 1))
    with one_server.client() as client:
        client.hset(KEYS[route], course_name("a", route) if route else "a", value)
    assert unpack(store.read(["a"])[0])[1:] == []
    add(store, "a", slot(NUMBER, 2))
    assert course(store, "a")[-1] == slot(NUMBER, 2)


@pytest.mark.parametrize("of_ranks", [False, True])
@pytest.mark.parametrize("lost", [False, True])
def test_courses_that_lost_their_bounds_begin_anew(
    one_server: Backend, route: str, of_ranks: bool, lost: bool
) -> None:
    store = Courses(one_server.open_redis(), route)
    key = f"{KEYS[route]}.ranks" if of_ranks else KEYS[route]
    add(store, "a", slot(NUMBER, 1))
    with one_server.client() as client:
        client.delete(key)
        if not lost:
            client.rpush(key, "5")
        assert store.read(["a"]) == [b""] or of_ranks
        assert store.clients() == [] or not of_ranks
        add(store, "b", slot(NUMBER, 2))
        assert client.hlen(KEYS[route]) == 2
        assert client.hget(KEYS[route], "") == b"1"
    assert store.clients() == ["b"]


def test_ranks_that_nobody_can_have_keep_no_client_out(
    one_server: Backend, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded(monkeypatch, clients=2, slots=100)
    store = Courses(one_server.open_redis(), route)
    number = int(store.store.now() // 300)
    now = number * 300 / FADES
    assert f" {FADES:.0f}," in COURSE.text.decode()
    for client, rank in (("x", math.inf), ("y", now + 1e6)):
        add(store, client, slot(number, 1), rank=now)
        with one_server.client() as client_of_redis:
            name = course_name(client, route) if route else client
            client_of_redis.zadd(f"{KEYS[route]}.ranks", {name: rank})
    add(store, "a", slot(number, 1), rank=now + 9)
    # A worker that lost its store long ago tells of then.
    add(store, "b", slot(number, 1), rank=0.0)
    assert store.clients() == ["a", "b"]


# Both kinds together


def test_a_client_is_dropped_with_its_courses_on_all_routes(backend: Backend, clock: Clock) -> None:
    store = backend.open(clock)
    for on in ("", "GET /", "POST /a b"):
        for client in ("a", "ab", "b"):
            add(Courses(store, on), client, slot(NUMBER, 1))
    store.drop_courses(["a"])
    assert sorted(store.course_clients()) == ["ab", "b"]
    left = [course_name(client, on) for client in ("ab", "b") for on in ("GET /", "POST /a b")]
    assert sorted(store.route_courses()) == left
    store.clear_courses()
    assert (store.course_clients(), store.route_courses()) == ([], [])


def test_neither_kind_takes_the_place_of_the_other(
    backend: Backend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded(monkeypatch, clients=10, slots=1000)
    store = backend.open(clock)
    for number in range(30):
        for on in ("", "GET /"):
            add(Courses(store, on), f"c{number}", slot(NUMBER, 1), rank=100.0 if on else 0.0)
    assert 10 <= len(store.course_clients()) <= 11
    assert 10 <= len(store.route_courses()) <= 11


def test_courses_go_when_nothing_is_added_for_two_days(clock: Clock, route: str) -> None:
    store = Courses(MemoryStore(clock=clock), route)
    add(store, "a", slot(NUMBER, 1))
    clock.advance(EXPIRE_SECONDS - 1)
    assert store.clients() == ["a"]
    add(store, "b", slot(NUMBER, 1))
    clock.advance(EXPIRE_SECONDS - 1)
    assert store.clients() == ["b", "a"]
    clock.advance(1)
    assert (store.read(["a"]), store.clients()) == ([b""], [])
    add(store, "b", slot(NUMBER, 2))
    assert course(store, "b") == [slot(NUMBER, 2)]


def test_redis_forgets_courses_by_itself(one_server: Backend, route: str) -> None:
    store = Courses(one_server.open_redis(), route)
    add(store, "a", slot(NUMBER, 1))
    keys = (KEYS[route], f"{KEYS[route]}.ranks")
    with one_server.client() as client:
        for key in keys:
            client.persist(key)
        add(store, "a", slot(NUMBER, 1))
        assert all(0 < EXPIRE_SECONDS - client.ttl(key) + 60 < 120 for key in keys)
        # As a worker of an earlier version leaves them: without an end.
        for key in keys:
            client.persist(key)
        store.store.drop_courses(["a"])
        assert all(client.ttl(key) != -1 for key in keys)


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
