"""Test what is told of clients' courses: all that was saved, once, and by interest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import methodcaller

import pytest

from flask_irl.behaviour.courses import ROUTES_KEPT, CoursePart, Slot, unpack
from flask_irl.errors import StoreError
from flask_irl.stores.base import Store
from flask_irl.stores.history import DAY
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.verdicts import course_book, course_rows
from flask_irl.verdicts.course_book import MOST_TOLD, TOLD_SECONDS
from flask_irl.verdicts.rankings import RANKINGS
from flask_irl.verdicts.tallies import CLIENTS
from tests.conftest import Clock
from tests.operations.worker import Site, Worker, attack, sites_on

SLOT = 300


@pytest.fixture(params=["memory", "redis"])
def site(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Site]:
    """Make a site at the beginning of a slot."""
    clock.now = clock.now // SLOT * SLOT + SLOT
    yield from sites_on(request, clock)


def course(store: Store, client: str = "c") -> list[Slot]:
    return unpack(store.courses([client])[0])


def minutes(store: Store, client: str = "c") -> list[tuple[int, ...]]:
    return [slot.minutes for slot in course(store, client)]


def test_requests_are_told_by_minute_and_refused_ones_with_them(site: Site) -> None:
    worker = site.worker(base_limit=5)
    worker.admitted(7)
    site.clock.advance(61)
    worker.admitted(2)
    worker.limiter.flush()
    site.clock.advance(SLOT)
    worker.admitted(1)
    worker.limiter.flush()
    first, second = course(worker.store)
    assert (first.minutes, first.refused) == ((7, 2, 0, 0, 0), 2)
    assert (second.minutes, second.number) == ((0, 1, 0, 0, 0), first.number + 1)


def test_a_flush_across_slots_tells_each_its_own(site: Site) -> None:
    worker = site.worker()
    site.clock.advance(SLOT - 1)
    worker.admitted(3)
    site.clock.advance(2)
    worker.admitted(2)
    worker.limiter.flush()
    assert minutes(worker.store) == [(0, 0, 0, 0, 3), (2, 0, 0, 0, 0)]


def test_a_clock_that_is_set_back_hides_nobody(site: Site) -> None:
    worker = site.worker()
    for _ in range(2):
        worker.ask()
        worker.limiter.flush()
        site.clock.advance(SLOT)
    site.clock.advance(-12 * SLOT)
    for _ in range(2):
        worker.admitted(3, "new")
        worker.limiter.flush()
        site.clock.advance(SLOT)
    assert minutes(worker.store, "new") == [(3, 0, 0, 0, 0)] * 2


def test_workers_tell_of_the_same_slot(site: Site) -> None:
    one, two = site.worker(), site.worker()
    for worker in (one, two, one):
        worker.admitted(2)
        worker.limiter.flush()
    assert minutes(one.store) == [(6, 0, 0, 0, 0)]
    assert one.store.course_clients() == ["c"]


def test_flag_and_relief_have_their_moments(site: Site) -> None:
    worker = site.worker(base_limit=1000, unknown_paths=30)
    begins = site.clock.now
    attack(site, worker, "mallory", seconds=40)
    [state] = worker.store.load(["mallory"])
    assert state is not None
    assert state.step > 0
    flagged = next(slot for slot in course(worker.store, "mallory") if slot.flagged_at)
    assert flagged.flagged_at is not None
    assert begins < flagged.flagged_at <= begins + 40
    assert (flagged.step, flagged.relieved_at) == (state.step, None)
    assert flagged.lowest == -1.0
    for _ in range(100):
        site.clock.advance(120)
        worker.ask("mallory")
        worker.limiter.flush()
    slots = course(worker.store, "mallory")
    relieved = [slot.relieved_at for slot in slots if slot.relieved_at]
    assert len(relieved) == 1
    assert relieved[0] > flagged.flagged_at
    assert slots[-1].step == 0


def test_a_reset_forgets_the_course(site: Site) -> None:
    worker = site.worker()
    for client in ("c", "d"):
        worker.ask(client)
    worker.limiter.flush()
    worker.operations.clients.reset("c", "ada")
    assert (course(worker.store), worker.store.course_clients()) == ([], ["d"])
    worker.ask("d")
    worker.limiter.flush()
    worker.operations.clients.reset_all("ada")
    worker.limiter.flush()
    assert worker.store.course_clients() == []


def test_a_store_that_keeps_no_history_is_told_of_none(site: Site) -> None:
    def kept(worker: Worker) -> list[bool]:
        worker.ask()
        worker.limiter.flush()
        store, at = worker.store, int(worker.store.now())
        ranked, _ = store.ranked(RANKINGS["active"].stored, 0, 9)
        [tally] = store.tallies([(at // DAY, CLIENTS)], 9)
        found = (store.course_clients(), ranked, tally, store.rollups(60, at - 60, at))
        return [bool(one) for one in found]

    worker = site.worker()
    worker.store.keeps_history = False
    assert kept(worker) == [False] * 4
    # Models are trained on these.
    assert worker.store.counts()["requests"] == 1
    worker.store.keeps_history = True
    assert kept(worker) == [True] * 4


def test_after_a_reset_no_worker_tells_of_the_time_before(site: Site) -> None:
    here, there = site.worker(min_clients=1), site.worker(min_clients=1)
    for worker in (here, there):
        worker.ask("c", "unmatched", 1, 404)
        worker.limiter.flush()
        worker.flag("c", score=-0.7)
        worker.ask("c", "unmatched", 2, 404)
        worker.limiter.flush()
    [before] = course(here.store)
    assert (before.lowest, before.step > 0) != (0.0, False)
    here.operations.clients.reset("c", "ada")
    for worker in (here, there):
        worker.ask("c")
        worker.limiter.flush()
        [after] = course(worker.store)
        assert (after.lowest > before.lowest, after.step) == (True, 0)


# While requests are served


def serving(site: Site, **options: object) -> Worker:
    """Make a worker whose flushes go by the site's clock."""
    worker = site.worker(base_limit=1000, **options)
    worker.limiter.profiler._monotonic = site.clock
    worker.limiter.profiler.after_fork()
    return worker


def gently(worker: Worker) -> None:
    worker.limiter.profiler.flush(gently=True)


def test_the_store_is_told_now_and_then_and_of_what_is_left_when_nothing_comes(site: Site) -> None:
    worker = serving(site)
    worker.ask()
    gently(worker)
    assert minutes(worker.store) == [(1, 0, 0, 0, 0)]
    site.clock.advance(1)
    worker.ask()
    gently(worker)
    assert minutes(worker.store) == [(1, 0, 0, 0, 0)]
    site.clock.advance(TOLD_SECONDS)
    gently(worker)
    assert minutes(worker.store) == [(2, 0, 0, 0, 0)]


def test_what_waits_is_forgotten_with_all_clients(site: Site) -> None:
    worker = serving(site)
    for _ in range(2):
        worker.ask()
        gently(worker)
    worker.operations.clients.reset_all("ada")
    site.clock.advance(TOLD_SECONDS)
    gently(worker)
    assert worker.store.course_clients() == []


def test_the_most_interesting_are_told_and_the_others_later(site: Site) -> None:
    worker = serving(site)
    for number in range(MOST_TOLD + 20):
        worker.admitted(2 if number >= 20 else 1, f"c{number}")
    gently(worker)
    told = worker.store.course_clients()
    assert len(told) == MOST_TOLD
    assert "c0" not in told
    site.clock.advance(TOLD_SECONDS)
    gently(worker)
    assert len(worker.store.course_clients()) == MOST_TOLD + 20


def test_of_many_flagged_clients_all_are_told_in_turn(site: Site) -> None:
    worker = serving(site)
    names = [f"c{number}" for number in range(2 * MOST_TOLD)]
    for name in names:
        worker.ask(name)
    worker.limiter.flush()
    worker.store.clear_courses()
    for name in names:
        worker.flag(name)
    for _ in range(4):
        site.clock.advance(TOLD_SECONDS)
        for name in names:
            worker.ask(name)
        gently(worker)
    assert len(worker.store.course_clients()) == len(names)


def test_what_a_failing_store_did_not_take_is_told_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = site.worker()
    worker.admitted(3)

    def fail(*_: object) -> None:
        raise StoreError("out")

    with monkeypatch.context() as patch:
        patch.setattr(worker.store, "add_counts", fail)
        with pytest.raises(StoreError):
            worker.limiter.flush()
    worker.ask()
    worker.limiter.flush()
    assert minutes(worker.store) == [(4, 0, 0, 0, 0)]


@pytest.mark.parametrize(
    ("bound", "told", "on"),
    [
        ("MOST_WAITING", methodcaller("course_clients"), ""),
        ("MOST_WAITING_ON_ROUTES", methodcaller("route_courses"), " GET /"),
    ],
    ids=["clients", "routes"],
)
def test_of_more_than_can_wait_the_most_interesting_do(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    told: Callable[[Store], list[str]],
    on: str,
) -> None:
    monkeypatch.setattr(course_rows, bound, 40)
    worker = serving(site)
    monkeypatch.setattr(course_book.CourseBook, "due", lambda *_, **__: False)
    for start in range(0, 200, 10):
        for number in range(start, start + 10):
            worker.admitted(9 if number % 10 == 0 else 1, f"c{number}")
        gently(worker)
    monkeypatch.undo()
    worker.limiter.flush()
    names = told(worker.store)
    assert len(names) <= 40
    assert {f"c{number}{on}" for number in range(0, 200, 10)} <= set(names)


def test_a_rank_outlives_no_day_among_others() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    ranks: list[float] = []

    def note(parts: list[CoursePart]) -> None:
        ranks.extend(part.rank for part in parts if not part.route)

    store._add_courses = note  # type: ignore[assignment,method-assign]
    clock.now = clock.now // SLOT * SLOT
    worker = Worker(store, {}, monotonic=clock)
    worker.ask()
    worker.limiter.flush()
    worker.flag()
    worker.ask()
    worker.limiter.flush()
    clock.advance(86_400)
    worker.ask("new")
    worker.limiter.flush()
    idle, flagged, new = ranks
    assert idle < flagged
    assert new == pytest.approx(flagged, abs=0.01)
    assert new > idle + 8


# On single routes


def on_routes(store: Store) -> dict[str, list[tuple[int, ...]]]:
    """Give the minutes of all courses on single routes, by their names."""
    names = sorted(store.route_courses())
    blobs = store.courses_on_routes(names)
    return {n: [slot.minutes for slot in unpack(b)] for n, b in zip(names, blobs, strict=True)}


def test_routes_are_told_apart_by_rule_and_method(site: Site) -> None:
    worker = site.worker(base_limit=4)
    for route, method in (("/", "GET"), ("/a", "GET"), ("/", "HEAD"), ("/", "POST"), ("/", "GET")):
        worker.ask("c", route, method=method)
    worker.ask("d", "/a", method="OPTIONS")
    worker.ask("d", "unmatched", status=404)
    worker.limiter.flush()
    assert on_routes(worker.store) == {
        "c GET /": [(3, 0, 0, 0, 0)],
        "c GET /a": [(1, 0, 0, 0, 0)],
        "c POST /": [(1, 0, 0, 0, 0)],
    }
    [blob] = worker.store.courses_on_routes(["c GET /"])
    assert [slot.refused for slot in unpack(blob)] == [1]
    assert minutes(worker.store) == [(5, 0, 0, 0, 0)]


def test_workers_and_slots_add_up_on_routes(site: Site) -> None:
    one, two = site.worker(), site.worker()
    site.clock.advance(SLOT - 1)
    for worker in (one, two):
        worker.ask()
        worker.ask("d", "/a")
    site.clock.advance(2)
    one.admitted(2)
    for worker in (one, two):
        worker.limiter.flush()
    assert on_routes(one.store) == {
        "c GET /": [(0, 0, 0, 0, 2), (2, 0, 0, 0, 0)],
        "d GET /a": [(0, 0, 0, 0, 2)],
    }


def test_a_step_is_noted_on_the_routes_that_are_asked_for(site: Site) -> None:
    worker = site.worker(base_limit=1000, unknown_paths=30)
    worker.ask("mallory", "/before")
    worker.limiter.flush()
    site.clock.advance(2 * SLOT)
    attack(site, worker, "mallory", seconds=40)
    worker.ask("mallory", "/after")
    worker.limiter.flush()
    names = ["mallory GET /before", "mallory GET /after"]
    before, after = (unpack(blob)[0] for blob in worker.store.courses_on_routes(names))
    assert (before.step, after.step > 0) == (0, True)
    assert after.lowest == -1.0


def test_the_quiet_clients_of_a_route_stand_beside_the_busy_ones_of_another(site: Site) -> None:
    worker = serving(site)
    for number in range(MOST_TOLD):
        for _ in range(5):
            worker.ask(f"c{number}", "/busy")
    for number in range(10):
        worker.ask(f"d{number}", "/login", method="POST")
    gently(worker)
    names = worker.store.route_courses()
    assert len(names) == MOST_TOLD
    assert sum(name.endswith(" POST /login") for name in names) == 10


def test_of_many_routes_those_with_limits_of_their_own_come_first(site: Site) -> None:
    worker = serving(site)
    worker.limiter.limited_routes = lambda: {"POST /login"}
    for number in range(ROUTES_KEPT + 5):
        for _ in range(2 + number):
            worker.ask("c", f"/{number}")
    worker.ask("d", "/login", method="POST")
    gently(worker)
    busiest = {f"c GET /{number}" for number in range(6, ROUTES_KEPT + 5)}
    assert set(worker.store.route_courses()) == {*busiest, "d POST /login"}
    site.clock.advance(TOLD_SECONDS)
    assert not worker.limiter.profiler._site.due(gently=True)


def test_a_reset_forgets_what_waits_on_routes_in_all_workers(site: Site) -> None:
    here, there = serving(site), serving(site)
    for worker in (here, there):
        for route in ("/a", "/b"):
            worker.ask("c", route)
        worker.ask("d", "/a")
        gently(worker)
        worker.ask("c", "/a")
        worker.ask("d", "/a")
        gently(worker)
    here.operations.clients.reset("c", "ada")
    assert {*on_routes(here.store)} == {"d GET /a"}
    for worker in (here, there):
        worker.ask("c", "/b")
    site.clock.advance(TOLD_SECONDS)
    for worker in (here, there):
        gently(worker)
    assert on_routes(here.store) == {"c GET /b": [(2, 0, 0, 0, 0)], "d GET /a": [(4, 0, 0, 0, 0)]}


def test_all_forgotten_means_routes_too(site: Site) -> None:
    worker = serving(site)
    for _ in range(2):
        worker.ask()
        gently(worker)
    worker.operations.clients.reset_all("ada")
    site.clock.advance(TOLD_SECONDS)
    gently(worker)
    assert worker.store.route_courses() == []
