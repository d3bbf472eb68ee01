"""Test quota leases on every kind of server: counted at once, given back exactly, and only once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_irl.limits.limit import Limit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan, Scope, StrategyName
from flask_irl.limits.quota_lease import EndedLease, LeaseCall, Leased
from flask_irl.stores.base import Store
from tests.conftest import Clock
from tests.stores.conftest import Backend, plan_of
from tests.stores.lease_twin import LeaseStore

VIEW = Scope("view", (Limit(2000, 60),))
WINDOWS: tuple[StrategyName, ...] = ("sliding-window-counter", "fixed-window")


class Client:
    """A client under one plan, on a store whose clock is moved by hand."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        strategy: StrategyName = "fixed-window",
        *scopes: Scope,
        amount: int = 1000,
    ) -> None:
        self.store = store
        self.clock = clock
        self.plan: Plan = plan_of(*scopes, base=Limit(amount, 60), strategy=strategy)
        self.keys = ("c",) * len(self.plan.scopes)
        self.left()

    def left(self, cost: int = 1) -> int:
        """Ask once, a moment later; -1 if refused."""
        self.clock.advance(0.001)
        hit = self.store.hit(self.plan, self.keys, cost)
        return hit.remaining if hit.admitted else -1

    def lease(self, want: int = 10, ended: Leased | None = None, unused: int = 0) -> Leased:
        """Ask once with a lease, a moment later."""
        self.clock.advance(0.001)
        given = 0.0 if ended is None else ended.hit.now
        return self.store.lease(self.plan, self.keys, LeaseCall(want, given, unused), None)

    def give_back(self, lease: Leased, unused: int) -> None:
        """Give units of a lease back, a moment later."""
        self.clock.advance(0.001)
        self.store.give_back([EndedLease(self.plan, self.keys, lease.hit.now, unused)])


@pytest.fixture(params=["twin", "redis"])
def store(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Store]:
    if request.param == "twin":
        yield LeaseStore(clock=clock)
    else:
        yield request.getfixturevalue("one_server").open_redis(clock)


def test_a_lease_is_counted_at_once_and_given_back_in_one_slot(
    redis_backend: Backend, clock: Clock
) -> None:
    client = Client(redis_backend.open(clock), clock, "fixed-window", VIEW)
    lease = client.lease(10)
    assert (lease.units, lease.hit.remaining) == (10, 1000 - 12)
    assert client.left() == 1000 - 13
    client.give_back(lease, 4)
    assert client.left() == 1000 - 10


def test_a_lease_of_the_servers_own_time_is_begun_ahead(redis_backend: Backend) -> None:
    store = redis_backend.open()
    plan = plan_of(base=Limit(1000, 60))
    for _ in range(2):
        store.hit(plan, ("c",), 1)
    begun = store.begin_lease(plan, ("c",), LeaseCall(10))
    assert begun is not None
    lease = store.lease(plan, ("c",), LeaseCall(10), begun)
    assert (lease.units, lease.hit.remaining, lease.lasts) == (10, 987, 1e6)


@pytest.mark.parametrize("strategy", [*WINDOWS, "gcra"])
def test_units_are_given_back_once(store: Store, clock: Clock, strategy: StrategyName) -> None:
    client = Client(store, clock, strategy)
    lease = client.lease(5)
    before = client.left()
    client.give_back(lease, 5)
    client.give_back(lease, 5)
    client.lease(0, lease, 5)
    assert client.left() <= before - 2 + 5


@pytest.mark.parametrize("strategy", [*WINDOWS, "gcra"])
def test_units_of_a_client_that_was_forgotten_are_not_given_back(
    store: Store, clock: Clock, strategy: StrategyName
) -> None:
    client = Client(store, clock, strategy)
    lease = client.lease(5)
    store.forget("c", 120)
    for _ in range(10):
        before = client.left()
    client.give_back(lease, 5)
    assert client.left() == before - 1


def test_units_of_a_window_that_is_over_are_not_given_back(store: Store, clock: Clock) -> None:
    client = Client(store, clock)
    lease = client.lease(5)
    clock.advance(60)
    assert client.left(100) == 900
    client.give_back(lease, 5)
    assert client.left() == 899


def test_units_of_the_window_before_no_longer_fade(store: Store, clock: Clock) -> None:
    client = Client(store, clock, "sliding-window-counter", amount=10_000)
    lease = client.lease(100)
    clock.advance(60)
    before = client.left()
    client.give_back(lease, 100)
    # All but a little of them still counted.
    assert client.left() - before == pytest.approx(98, abs=2)


def test_gcra_gives_nothing_back_that_was_paid_by_waiting(store: Store, clock: Clock) -> None:
    client = Client(store, clock, "gcra", amount=900)
    lease = client.lease(5)
    assert lease.units == 5
    clock.advance(100)
    assert client.left(895) == 5
    client.give_back(lease, 5)
    assert client.left(6) == -1


def test_a_lease_lasts_no_longer_than_the_window_that_counts_it(store: Store, clock: Clock) -> None:
    client = Client(store, clock)
    clock.advance(59.5 - 0.002)
    assert client.lease().lasts == pytest.approx(500_000, abs=2000)
    clock.advance(0.45)
    assert client.lease().units == 0


def test_all_leases_together_have_a_fiftieth_of_the_limit(store: Store, clock: Clock) -> None:
    client = Client(store, clock)
    assert [client.lease(8).units for _ in range(4)] == [8, 8, 4, 0]


def test_leases_shrink_towards_the_end_of_a_limit(store: Store, clock: Clock) -> None:
    client = Client(store, clock)
    client.left(800)
    shrinking = [client.lease(100).units]
    client.left(60)
    clock.advance(6)
    shrinking.append(client.lease(100).units)
    client.left(40)
    clock.advance(6)
    shrinking.append(client.lease(100).units)
    assert shrinking[0] > shrinking[1] > shrinking[2] == 0


def test_an_override_that_came_meanwhile_changes_nothing_of_what_goes_back(
    store: Store, clock: Clock
) -> None:
    client = Client(store, clock)
    lease = client.lease(10)
    store.set_override("c", Override("block", clock.now + 1), 120)
    client.give_back(lease, 10)
    clock.advance(2)
    assert client.left() == 1000 - 3


def test_counts_of_other_windows_survive_a_lease_of_before(store: Store, clock: Clock) -> None:
    client = Client(store, clock)
    lease = client.lease(10)
    hour = plan_of(base=Limit(1000, 3600))
    assert store.hit(hour, ("c",), 100).remaining == 900
    client.give_back(lease, 10)
    clock.advance(0.001)
    assert store.hit(hour, ("c",), 1).remaining == 899


@pytest.mark.parametrize("damage", ["list", "short", "long", "other"])
def test_damaged_leases_count_as_none(one_server: Backend, clock: Clock, damage: str) -> None:
    client = Client(one_server.open_redis(clock), clock)
    lease = client.lease(5)
    with one_server.client() as server:
        [key] = server.keys("*leases")
        value = server.get(key)
        assert isinstance(value, bytes)
        server.delete(key)
        if damage == "list":
            server.rpush(key, "x")
        else:
            changed = {"short": value[:7], "long": value + b"\xff" * 14, "other": b"\xff" * 200}
            server.set(key, changed[damage])
    assert client.left() == 1000 - 8
    client.give_back(lease, 5)
    assert client.left() in (1000 - 9, 1000 - 4)
    assert client.lease(5).hit.admitted
