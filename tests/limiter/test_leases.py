from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from flask_irl.config.options import Options
from flask_irl.errors import StoreError
from flask_irl.limiter import leases as leases_module
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.decision import Decision, Hit
from flask_irl.limits.limit import Limit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope
from flask_irl.limits.quota_lease import EndedLease, LeaseCall, Leased
from flask_irl.stores.state import Update
from tests.conftest import Clock
from tests.recorder import Recorder
from tests.stores.lease_twin import LeaseStore

CLIENT = "192.0.2.1"
LIMIT = 6000
PACE = 0.05


class Counting(LeaseStore):
    """Count the calls on requests' ways, and fail when told to."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.calls = 0
        self.asked_for_lease = 0
        self.error: Exception | None = None
        self.returned: list[EndedLease] = []

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return super().hit(plan, keys, cost)

    def lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, begun: object = None
    ) -> Leased:
        self.asked_for_lease += 1
        leased = super().lease(plan, keys, call, begun)
        if leased.units:
            # It asks twice, in this process.
            self.calls -= 1
        return leased

    def give_back(self, leases: Sequence[EndedLease]) -> None:
        if self.error is not None:
            raise self.error
        self.returned += leases
        super().give_back(leases)


class Site:
    """One worker, or more, on a store; the clock moves by hand, and nothing runs by itself."""

    def __init__(self, clock: Clock, workers: int = 1, **options: Any) -> None:
        self.clock = clock
        self._moving = threading.Lock()
        self.store = Counting(clock)
        options = {"base_limit": LIMIT, **options}
        self.listener = Recorder()
        self.workers = [
            Limiter(Options(**options), self.store, listener=self.listener, monotonic=clock)
            for _ in range(workers)
        ]
        for worker in self.workers:
            worker.worker.start = lambda **_: None  # type: ignore[method-assign]
            worker.start()

    @property
    def limiter(self) -> Limiter:
        return self.workers[0]

    def ask(
        self,
        cost: int = 1,
        *,
        client: str = CLIENT,
        scopes: tuple[Scope, ...] = (),
        worker: int = 0,
        pace: float = PACE,
    ) -> Decision:
        """Send one request, some time after the one before."""
        with self._moving:
            self.clock.advance(pace)
        limiter = self.workers[worker]
        plan = limiter.plan(scopes)
        keys = (client,) * len(plan.scopes)
        begun = limiter.begin(plan, keys, cost)
        return limiter.decide(plan, keys, cost, begun)

    def lend(self, client: str = CLIENT, scopes: tuple[Scope, ...] = ()) -> Decision:
        """Ask until the last answer is by a lease that has just begun."""
        for _ in range(200):
            before = self.store.calls
            decision = self.ask(client=client, scopes=scopes)
            if self.store.calls == before:
                return decision
        raise AssertionError("no lease")

    def counted(self, client: str = CLIENT) -> int:
        """Tell how many requests the store has counted under the base limit."""
        plan = self.limiter.plan(())
        [(_, current, _)] = self.store.peek(plan, (client,)).cells
        return current


@pytest.fixture
def site(clock: Clock) -> Site:
    return Site(clock)


def test_a_client_that_asks_often_is_admitted_without_the_store(site: Site) -> None:
    site.lend()
    before = site.store.calls
    decisions = [site.ask() for _ in range(100)]
    assert all(decision.admitted for decision in decisions)
    assert site.store.calls - before < 20


def test_a_client_that_asks_now_and_then_costs_the_store_no_more(site: Site) -> None:
    for _ in range(40):
        site.ask(pace=0.6)
    assert site.store.calls == site.counted() == 40


def test_a_client_is_learned_about_by_one_answer_in_four(clock: Clock) -> None:
    site = Site(clock, workers=2)
    for number in range(32):
        # It never comes to be known: one answer tells of the same time as all of them.
        site.ask(worker=0, pace=0.3 if number % 8 else 1.7)
    assert 1 < site.store.asked_for_lease <= 32 // 4


def test_a_client_of_one_worker_sees_what_is_left_to_the_request(site: Site) -> None:
    shown = [site.ask().remaining for _ in range(200)]
    assert shown == list(range(LIMIT - 1, LIMIT - 201, -1))


def test_decisions_by_a_lease_tell_time_gap_and_reset_of_each_request(
    site: Site, clock: Clock
) -> None:
    first = site.lend()
    second = site.ask(pace=0.125)
    assert second.at - first.at == pytest.approx(0.125, abs=1e-6)
    assert second.gap == pytest.approx(0.125)
    assert second.at == pytest.approx(clock.now, abs=1e-6)
    assert first.reset_after - second.reset_after == pytest.approx(0.125)
    assert second._replace(remaining=0, reset_after=0, at=0, gap=0) == first._replace(
        remaining=0, reset_after=0, at=0, gap=0
    )


def test_the_gap_after_a_lease_is_since_the_last_request_of_it(site: Site) -> None:
    site.lend()
    before = site.store.calls
    while site.store.calls == before:
        decision = site.ask()
    assert decision.gap == pytest.approx(PACE)


def test_what_is_unused_goes_back_with_the_next_flush(site: Site, clock: Clock) -> None:
    asked = 0
    while not site.limiter.leases.held or not any(
        holding.leases for plans in site.limiter.leases.held.values() for holding in plans.values()
    ):
        site.ask()
        asked += 1
    assert site.counted() > asked
    clock.advance(1.0)
    site.limiter.leases.give_back()
    assert site.counted() == asked


def test_what_is_unused_goes_back_with_the_next_question(site: Site, clock: Clock) -> None:
    site.lend()
    clock.advance(2.0)
    asked = LIMIT - site.ask().remaining
    clock.advance(2.0)
    site.limiter.leases.give_back()
    assert site.counted() == asked


def test_a_lease_ends_within_a_second(site: Site, clock: Clock) -> None:
    site.lend()
    clock.advance(1.0)
    before = site.store.calls
    site.ask(pace=0.0)
    assert site.store.calls == before + 1


def test_a_lease_ends_when_its_client_is_away_for_longer_than_usual(site: Site) -> None:
    site.lend()
    before = site.store.calls
    # It may have been at another worker.
    site.ask(pace=PACE * 5)
    assert site.store.calls == before + 1


@pytest.mark.parametrize("cost", [0, 2, 7])
def test_a_request_of_another_cost_asks_the_store(site: Site, cost: int) -> None:
    left = site.lend().remaining
    before = site.store.calls
    assert site.ask(cost).admitted
    assert site.store.calls == before + 1
    # What the store has counted beside the lease isn't shown by the lease.
    assert site.ask().remaining == left - cost - 1


def test_routes_of_one_client_show_no_more_than_is_there(site: Site) -> None:
    view = Scope("view", (Limit(LIMIT * 2, 60),))
    asked = 0
    for _ in range(100):
        for scopes in ((), (view,)):
            asked += 1
            assert site.ask(scopes=scopes, pace=0.02).remaining <= LIMIT - asked


@pytest.mark.parametrize("limit", [50, 99])
def test_a_small_limit_has_no_leases(clock: Clock, limit: int) -> None:
    site = Site(clock, base_limit=limit)
    for _ in range(limit):
        assert site.ask().admitted
    assert site.store.calls == limit
    assert not site.ask().admitted


def test_a_limit_by_another_key_has_no_leases(site: Site) -> None:
    shared = Scope("shared", (Limit(LIMIT, 60),), own_key=True)
    for _ in range(100):
        site.ask(scopes=(shared,))
    assert site.store.calls == 100


def test_near_its_end_a_limit_has_no_leases(clock: Clock) -> None:
    site = Site(clock, base_limit=600)
    for _ in range(560):
        site.ask()
    before = site.store.calls
    for _ in range(40):
        assert site.ask().admitted
    assert site.store.calls == before + 40


@pytest.mark.parametrize(
    "off", [{"leases": False}, {"background": False}], ids=["switched off", "no background"]
)
def test_there_are_none_where_they_are_off_or_nothing_gives_them_back(
    clock: Clock, off: dict[str, Any]
) -> None:
    site = Site(clock, **off)
    for _ in range(100):
        site.ask()
    assert site.store.calls == 100


def test_an_override_by_this_worker_holds_at_once(site: Site, clock: Clock) -> None:
    site.lend()
    site.store.set_override(CLIENT, Override("block", clock.now + 60), 60)
    site.limiter._decider.forget(CLIENT)
    assert site.ask().outcome == "blocked"


def test_an_override_by_another_worker_holds_within_a_second(site: Site, clock: Clock) -> None:
    site.lend()
    site.store.set_override(CLIENT, Override("block", clock.now + 60), 60)
    clock.advance(1.0)
    assert site.ask(pace=0.0).outcome == "blocked"


def test_a_verdict_holds_within_a_second(site: Site, clock: Clock) -> None:
    site.lend()
    [state] = site.store.load([CLIENT])
    assert state is not None
    site.store.save([Update(CLIENT, state.revision, 1, -0.9, b"")], 60)
    clock.advance(1.0)
    decision = site.ask(pace=0.0)
    assert (decision.step, decision.is_anomalous) == (1, True)


def test_a_client_at_a_step_has_leases_of_its_limit_there(site: Site) -> None:
    site.ask()
    [state] = site.store.load([CLIENT])
    assert state is not None
    site.store.save([Update(CLIENT, state.revision, 1, -0.9, b"")], 60)
    decision = site.lend()
    assert (decision.limit, decision.step, decision.score) == (LIMIT * 0.3, 1, -0.9)


def test_a_step_that_is_only_reported_has_no_leases(clock: Clock) -> None:
    site = Site(clock, mode="shadow")
    site.ask()
    [state] = site.store.load([CLIENT])
    assert state is not None
    site.store.save([Update(CLIENT, state.revision, 1, -0.9, b"")], 60)
    for _ in range(100):
        site.ask()
    # The store alone can tell whether the step would have refused.
    assert site.store.calls == 101


@pytest.mark.parametrize("kind", ["allow", "limit"])
def test_a_client_under_an_override_has_no_leases(site: Site, clock: Clock, kind: Any) -> None:
    amount = LIMIT if kind == "limit" else 0
    site.store.set_override(CLIENT, Override(kind, clock.now + 60, amount), 60)
    for _ in range(100):
        site.ask()
    assert site.store.calls == 100


def test_another_mode_ends_all_leases(site: Site, clock: Clock) -> None:
    site.lend()
    site.store.update_settings({"mode": "shadow"}) if hasattr(
        site.store, "update_settings"
    ) else site.limiter._apply({"mode": "shadow"})
    before = site.store.calls
    site.ask()
    assert site.store.calls == before + 1
    site.limiter.leases.give_back()
    assert site.counted() == LIMIT - site.ask().remaining - 1


def test_a_client_that_is_forgotten_has_no_lease_any_more(site: Site) -> None:
    site.lend()
    site.limiter.forget(CLIENT)
    site.limiter.leases.give_back()
    assert site.ask().remaining == LIMIT - 1


def test_a_flush_that_is_asked_for_ends_all_leases(site: Site) -> None:
    site.lend()
    site.limiter.flush()
    assert site.counted() == LIMIT - site.ask().remaining - 1


def test_every_request_is_observed(site: Site) -> None:
    for _ in range(150):
        decision = site.ask()
        site.limiter.observe(decision, route="/", path=1, method="GET", status=200, size=2)
    assert site.store.calls < 100
    assert site.limiter.profiler.waiting() == {CLIENT: 150}


def test_a_forked_process_has_none_of_its_parent(site: Site) -> None:
    site.lend()
    site.limiter.after_fork()
    assert site.limiter.leases.held == {}
    site.limiter.leases.give_back(every=True)
    assert site.store.returned == []


def test_what_another_thread_uses_meanwhile_is_not_given_back(site: Site) -> None:
    used: list[Decision] = []
    barrier = threading.Barrier(4)

    def use() -> None:
        barrier.wait()
        while len(used) < 2000:
            used.append(site.ask(pace=0.0001))
            if len(used) % 50 == 0:
                site.limiter.leases.give_back(every=True)

    asked = LIMIT - site.lend().remaining
    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.limiter.leases.give_back(every=True)
    assert site.counted() == asked + len(used)


def test_a_store_that_fails_ends_no_request(site: Site) -> None:
    site.lend()
    site.store.error = StoreError("gone")
    sources = [site.ask().source for _ in range(40)]
    assert sources[0] == "store"
    assert sources[-1] == "fallback"


def test_what_could_not_be_given_back_stays_counted(site: Site, clock: Clock) -> None:
    site.lend()
    before = site.counted()
    site.store.error = StoreError("gone")
    clock.advance(1.0)
    with pytest.raises(StoreError):
        site.limiter.leases.give_back()
    site.store.error = None
    site.limiter.leases.give_back()
    assert site.counted() == before
    assert site.store.returned == []


def test_the_leases_of_a_dead_worker_leave_room_for_others_in_seconds(clock: Clock) -> None:
    site = Site(clock, workers=2, base_limit=1000)
    plan = site.limiter.plan(())
    site.ask()
    leased = site.store.lease(plan, (CLIENT,), LeaseCall(100))
    assert leased.units == 20
    clock.advance(1.0)
    assert site.store.lease(plan, (CLIENT,), LeaseCall(100)).units == 0
    clock.advance(4.0)
    assert site.store.lease(plan, (CLIENT,), LeaseCall(100)).units == 20


def test_the_clients_that_are_watched_are_bounded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "MAX_CLIENTS", 3)
    for _ in range(3):
        for client in range(6):
            site.ask(client=f"client {client}", pace=0.01)
    assert len(site.limiter.leases.held) == 3


def test_clients_that_come_no_more_are_forgotten(site: Site, clock: Clock) -> None:
    site.lend()
    clock.advance(leases_module.IDLE_SECONDS + 1)
    site.limiter.leases.give_back()
    assert site.limiter.leases.held == {}
