"""Test calendar windows on each kind of store."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from flask_irl.limits.calendar import Unit, bounds
from flask_irl.limits.limit import parse_limits
from flask_irl.limits.plan import Plan, Scope, StrategyName
from flask_irl.limits.rate_plan import RatePlan
from flask_irl.stores.base import Store
from tests.conftest import Clock
from tests.stores.conftest import Backend

ZONE = "Europe/Berlin"
KEYS = ("c", "c")


def at(text: str) -> float:
    """Give a moment of the zone's calendar, in seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp()


def plan_of(
    limits: str, made: float, unit: Unit = "day", strategy: StrategyName = "sliding-window-counter"
) -> Plan:
    """Make a plan as a worker does at a moment."""
    asleep = Scope("", parse_limits("1000/minute"), standby=True)
    scopes = (asleep, RatePlan("pro", parse_limits(limits)).scope)
    return Plan(scopes, strategy, (1.0, 0.5), zone=ZONE, periods={unit: bounds(unit, ZONE, made)})


@pytest.fixture
def store(backend: Backend, clock: Clock) -> Store:
    return backend.open(clock)


def spend(store: Store, plan: Plan) -> int:
    """Ask until refused, and count the admitted requests."""
    return next(n for n in range(1000) if not store.hit(plan, KEYS, 1).admitted)


@pytest.mark.parametrize("strategy", ["sliding-window-counter", "fixed-window", "gcra"])
def test_each_day_admits_exactly_its_amount_whatever_the_strategy(
    store: Store, clock: Clock, strategy: StrategyName
) -> None:
    clock.now = at("2026-03-28T23:59:00")
    plan = plan_of("5/calendar-day", clock.now, strategy=strategy)
    assert spend(store, plan) == 5
    refused = store.hit(plan, KEYS, 1)
    assert (refused.retry_after, refused.reset_after) == (60e6, 60e6)
    # By a plan that was made the day before. That day has 23 hours.
    clock.now = at("2026-03-29T00:00:00")
    assert store.hit(plan, KEYS, 1).reset_after == 23 * 3600e6
    clock.now = at("2026-03-29T23:59:59")
    assert spend(store, plan) == 4
    clock.now = at("2026-03-30T00:00:00")
    assert spend(store, plan) == 5


def test_workers_whose_plans_are_of_different_days_count_together(
    store: Store, clock: Clock
) -> None:
    clock.now = at("2026-11-30T23:00:00")
    before = plan_of("5/calendar-month;90/minute", clock.now, "month")
    store.hit(before, KEYS, 3)
    clock.now = at("2026-12-01T00:00:01")
    after = plan_of("5/calendar-month;90/minute", clock.now, "month")
    assert [store.hit(plan, KEYS, 2).admitted for plan in (before, after, before)] == [
        *(True, True, False)
    ]


def test_a_clock_that_is_set_back_over_midnight_grants_no_second_day(
    store: Store, clock: Clock
) -> None:
    clock.now = at("2026-11-30T00:00:10")
    plan = plan_of("5/calendar-day", clock.now)
    assert spend(store, plan) == 5
    clock.now = at("2026-11-29T23:59:50")
    refused = store.hit(plan, KEYS, 1)
    assert (refused.admitted, refused.retry_after) == (False, 10e6)


def test_the_share_of_an_anomalous_client_is_that_of_the_period(store: Store, clock: Clock) -> None:
    clock.now = at("2026-11-30T12:00:00")
    plan = plan_of("10/calendar-day", clock.now)
    store.hit(plan, KEYS, 4)
    tight = Plan(plan.scopes, plan.strategy, (0.5,), zone=ZONE, periods=plan.periods)
    hit = store.hit(tight, KEYS, 0)
    assert (hit.limit, hit.remaining) == (5, 1)


@pytest.mark.parametrize("limits", ["5/calendar-month", "5/month", "5/day"])
def test_counts_of_long_windows_go_on_in_a_worker_that_has_restarted(
    redis_backend: Backend, limits: str
) -> None:
    # By the server's clock, as in service.
    before = redis_backend.open()
    plan = plan_of(limits, before.now(), "month")
    assert spend(before, plan) == 5
    before.close()
    after = redis_backend.open()
    again = plan_of(limits, after.now(), "month")
    assert not after.hit(again, KEYS, 1).admitted
    with redis_backend.client() as client:
        lives = [client.ttl(key) for key in client.keys("*{c}*")]
    window = again.scopes[1].limits[0].window_seconds
    assert len(lives) == 2
    assert min(lives) > window + 3600
