"""Test flushes: steps of clients with a model in force, and rows of those learned from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from flask_irl.behaviour import profile
from flask_irl.behaviour.routes import route_hash
from flask_irl.behaviour.rows import client_hash, unpack_rows
from flask_irl.errors import StoreError
from flask_irl.stores.base import SaveResult
from flask_irl.stores.state import ClientState, Update
from flask_irl.verdicts.slices import SLICE
from tests.conftest import Clock
from tests.verdicts.site import Site
from tests.verdicts.test_judge import model_of


@pytest.fixture
def site(clock: Clock) -> Site:
    return Site(clock)


def test_a_scraper_climbs_to_a_block(site: Site) -> None:
    site.use(model_of(-0.9))
    assert site.live(120, "c", each=2) == [0, 1, 2, 3]
    decision = site.limiter.decide(site.plan, ("c",))
    assert (decision.admitted, decision.limit) == (False, 0)


def test_a_poller_of_a_path_is_never_flagged(site: Site) -> None:
    site.use(model_of(-1.0))
    assert site.live(700, "c", new=False) == [0]


def test_a_blocked_scraper_that_stops_is_let_in_again(site: Site) -> None:
    site.use(model_of(-0.9))
    site.live(120, "c", each=2)
    site.use(model_of(-0.1))
    for _ in range(10):
        site.clock.advance(240)
        site.live(1, "c", new=False)
    assert site.step() == 0


def test_a_newcomer_on_a_machines_route_is_left_in_peace(site: Site) -> None:
    site.use(model_of(-0.9, paces={str(route_hash("/hook")): 60.0}))
    assert site.live(120, "c", route="/hook") == [0]
    assert site.live(120, "d", route="/items/<n>")[:2] == [0, 1]


# While the site is learned


def test_while_the_site_is_learned_the_model_flags_nobody_and_the_rules_do(site: Site) -> None:
    site.use(model_of(-1.0, advisory=True))
    assert site.live(60, "scraper", each=2) == [0]
    assert site.live(90, "guesser", new=False, method="POST", status=401) == [0, 1, 2, 3]


# What is learned


def learned_from(site: Site) -> set[int]:
    return set(unpack_rows(site.store.rows())["client"].tolist())


@pytest.mark.parametrize(("raw", "learned"), [(-0.6, False), (-0.4, True)])
def test_nothing_is_learned_from_suspects(site: Site, raw: float, learned: bool) -> None:
    # A poller: it isn't flagged, whatever the model says of it.
    site.use(model_of(raw))
    site.live(40, "c", new=False)
    assert site.step() == 0
    assert bool(learned_from(site)) == learned


def test_nothing_is_learned_from_a_flagged_client(site: Site) -> None:
    site.use(model_of(-0.1))
    site.ask("c", new=False)
    site.ask("d", new=False)
    site.limiter.flush()
    [state] = site.store.load(["c"])
    assert state is not None
    records = profile.decode([state.profile])
    records["stepped"] = site.clock()
    [blob] = profile.encode(records)
    site.store.save([Update("c", state.revision, 1, -0.9, blob)], 3600)
    site.live(5, "c", "d", each=2, new=False)
    assert learned_from(site) == {client_hash("d")}


def test_a_row_has_the_route_and_whether_its_client_is_a_regular(site: Site) -> None:
    site.use(model_of(-0.1, began=site.clock()))
    site.live(200, "c", new=False)
    rows = unpack_rows(site.store.rows())
    assert set(rows["route"].tolist()) == {route_hash("/items/<n>")}
    assert rows["regular"].tolist()[-1] == 1


# The crowd


def crowd(count: int) -> list[str]:
    return [f"c{n}" for n in range(count)]


def test_when_a_fifth_of_all_look_odd_at_once_static_limits_apply(site: Site) -> None:
    site.use(model_of(-0.9))
    for _ in range(40):
        for name in crowd(12):
            site.ask(name)
        site.clock.advance(1)
    site.limiter.flush()
    assert [site.step(name) for name in crowd(12)] == [0] * 12


def test_a_few_odd_ones_are_no_crowd(site: Site) -> None:
    site.use(model_of(-0.9))
    site.live(60, *crowd(9))
    assert all(site.step(name) > 0 for name in crowd(9))


def test_a_client_that_breaks_a_rule_is_flagged_in_a_crowd_too(site: Site) -> None:
    site.use(model_of(-0.9))
    site.live(40, *crowd(12), new=False, method="POST", status=401)
    assert all(site.step(name) > 0 for name in crowd(12))


# While requests are served


def test_a_gentle_flush_rests_between_its_steps_and_merges_the_same(clock: Clock) -> None:
    rests: list[float] = []
    site = Site(clock, pause=rests.append)
    clients = SLICE.clients + 44
    for number in range(700):
        site.ask(f"c{number % clients}")
    assert site.limiter.profiler.flush(gently=True) == 700
    assert len(rests) > 2 * 9  # two slices of at least nine steps
    assert site.store.counts()["requests"] == 700
    [state] = site.store.load(["c0"])
    assert state is not None
    assert profile.decode([state.profile])["total"].tolist() == [3]


def test_a_gentle_flush_rests_only_when_it_has_taken_some_time(clock: Clock) -> None:
    rests: list[float] = []
    steps = itertools.count()
    # A tenth of a millisecond a step.
    site = Site(clock, pause=rests.append, cpu_clock=lambda: next(steps) * 0.0001)
    site.ask()
    site.limiter.profiler.flush(gently=True)
    assert 1 <= len(rests) <= next(steps) / 5


def test_rests_are_long_for_few_clients_and_end_in_time_for_many(clock: Clock) -> None:
    rests: list[float] = []
    site = Site(clock, pause=rests.append)
    for number in range(100):
        site.ask(f"c{number}")
    site.limiter.profiler.flush(gently=True)
    assert rests[-1] == max(rests) >= 4 * 0.0005
    rests.clear()
    for number in range(40 * SLICE.clients):
        site.ask(f"c{number}")
    site.limiter.profiler.flush(gently=True)
    assert 0.25 < sum(rests) < 1.0


def test_a_gentle_flush_loads_and_saves_a_client_once(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(clock, pause=lambda _: None)
    saved: list[str] = []
    save = site.store.save

    def count(updates: Sequence[Update], ttl_seconds: int) -> list[SaveResult]:
        saved.extend(update.client for update in updates)
        return save(updates, ttl_seconds)

    monkeypatch.setattr(site.store, "save", count)
    names = [f"c{number}" for number in range(20)]
    for _ in range(SLICE.observations // 10):
        for name in names:
            site.ask(name)
    site.limiter.profiler.flush(gently=True)
    assert sorted(saved) == sorted(names)


def test_clients_that_a_failed_flush_has_not_come_to_are_judged_by_the_next(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(clock, pause=lambda _: None)
    names = [f"c{number}" for number in range(2 * SLICE.clients)]
    for name in names:
        site.ask(name)
    save = site.store.save

    def fail(updates: Sequence[Update], ttl_seconds: int) -> list[SaveResult]:
        raise StoreError("out")

    monkeypatch.setattr(site.store, "save", fail)
    with pytest.raises(StoreError):
        site.limiter.profiler.flush(gently=True)
    monkeypatch.setattr(site.store, "save", save)
    assert site.limiter.profiler.waiting_total() == SLICE.clients
    site.ask("later")
    assert site.limiter.profiler.flush(gently=True) == SLICE.clients + 1
    known = [state for state in site.store.load([*names, "later"]) if state and state.profile]
    assert len(known) == SLICE.clients + 1


def test_a_gentle_flush_leaves_the_work_to_the_one_that_goes_on(clock: Clock) -> None:
    flushes: list[int] = []

    def flush_within(_: float) -> None:
        flushes.append(gentle_site.limiter.profiler.flush(gently=True))

    gentle_site = Site(clock, pause=flush_within)
    gentle_site.ask()
    assert gentle_site.limiter.profiler.flush(gently=True) == 1
    assert set(flushes) == {0}


def test_a_flush_of_many_parts_saves_the_counts_of_the_site_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Any] = []
    monkeypatch.setattr(site.store, "add_counts", lambda *counts: saved.append(counts))
    for _ in range(700):
        site.ask()
    site.limiter.profiler.flush(gently=True)
    [(counts, minutes, _)] = saved
    assert (counts["requests"], sum(minute.requests for minute in minutes.values())) == (700, 700)


def test_a_gentle_flush_ends_though_refusals_keep_coming(clock: Clock) -> None:
    rests: list[float] = []

    def refuse(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) < 100:
            [fields] = refused
            busy.limiter.profiler.observe_refused(fields)

    busy = Site(clock, pause=refuse)
    busy.ask()
    refused = busy.limiter.profiler._buffer.take(1)
    busy.ask()
    assert busy.limiter.profiler.flush(gently=True) == 1
    assert busy.store.counts()["requests"] == 1


def test_observations_are_flushed_however_many_refusals_come_with_them(site: Site) -> None:
    site.ask()
    [fields] = site.limiter.profiler._buffer.take(1)
    for number in range(1000):
        site.limiter.profiler.observe_refused((f"r{number}", *fields[1:]))
    for _ in range(700):
        site.ask()
    assert site.limiter.profiler.flush(gently=True) == 1700
    assert len(site.limiter.profiler) == 0


def test_counts_and_rows_of_a_flush_that_failed_are_saved_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, parts = site.store.load, []

    def fail_once(clients: Sequence[str]) -> list[ClientState | None]:
        parts.append(clients)
        if len(parts) == 2:
            raise StoreError("out")
        return load(clients)

    monkeypatch.setattr(site.store, "load", fail_once)
    asked = 2 * SLICE.observations + 100
    for _ in range(asked):
        site.ask()
    with pytest.raises(StoreError):
        site.limiter.profiler.flush(gently=True)
    taken = profile.decode([site.store.load(["c"])[0].profile])["row_total"]  # type: ignore[union-attr]
    assert taken.tolist() == [SLICE.observations]
    site.limiter.profiler.flush(gently=True)
    assert site.store.counts()["requests"] == asked
    assert learned_from(site) == {client_hash("c")}
