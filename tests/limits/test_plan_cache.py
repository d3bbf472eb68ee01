"""Test the plans of routes: each is made once, and dropped when settings change."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flask_irl.limits.limit import Limit, parse_limits
from flask_irl.limits.plan import Scope
from flask_irl.limits.plan_cache import PlanCache

FACTORS = (1.0, 0.3)
ROUTES = tuple((Scope(name, (Limit(2, 60),)),) for name in "abc")


def own(amount: int) -> Scope:
    """Make the scope of all of a client's requests."""
    return Scope("", (Limit(amount, 60),))


@pytest.fixture
def plans() -> PlanCache:
    """Make plans of a site."""
    plans = PlanCache("fixed-window", 3600)
    plans.use(own(30), FACTORS, "enforce")
    return plans


def test_a_plan_and_its_rest_are_made_once(plans: PlanCache) -> None:
    plan = plans.plan(ROUTES[0])
    assert plans.plan(ROUTES[0]) is plan
    assert plans.without_base(plan) is plans.without_base(plan)
    assert [scope.limits for scope in plans.without_base(plan).scopes] == [(), (Limit(2, 60),)]


def test_a_plan_without_its_first_scopes_keeps_the_others(plans: PlanCache) -> None:
    plan = plans.plan((*ROUTES[0], *ROUTES[1]))
    assert plans.without_first(plan, 2) is plans.without_first(plan, 2)
    assert plans.without_first(plan, 2).scopes == (Scope("", ()), *ROUTES[1])
    assert plans.without_first(plan, 1).scopes == (Scope("", ()), *ROUTES[0], *ROUTES[1])


def test_plans_of_former_settings_are_dropped(plans: PlanCache) -> None:
    for amount in range(1, 51):
        plans.use(own(amount), FACTORS, "enforce")
        for scopes in ROUTES:
            plans.without_base(plans.plan(scopes))
    assert len(plans) == 2 * len(ROUTES)


def test_plans_of_a_shorter_time_to_live_are_dropped(plans: PlanCache) -> None:
    for days in range(1, 51):
        scopes = (Scope("x", (Limit(2, days * 86_400),)),)
        plans.without_base(plans.plan(scopes))
    assert len(plans) == 2


def test_plans_are_bounded() -> None:
    plans = PlanCache("fixed-window", 3600, max_plans=10)
    plans.use(own(30), FACTORS, "enforce")
    for number in range(1, 100):
        plans.without_base(plans.plan((Scope(f"x{number}", (Limit(2, 60),)),)))
    assert len(plans) <= 20


class Scopes(tuple[Scope, ...]):
    """Change settings while a plan of these scopes is made."""

    def __iter__(self) -> Iterator[Scope]:
        changes.pop()() if changes else None
        return super().__iter__()


changes: list[Callable[[], object]] = []


def test_a_plan_of_settings_that_change_meanwhile_is_not_kept(plans: PlanCache) -> None:
    scopes = Scopes(ROUTES[0])
    changes.append(lambda: plans.use(own(5), FACTORS, "enforce"))
    plans.plan(scopes)
    assert changes == []
    assert plans.plan(scopes).scopes[0].limits == (Limit(5, 60),)


def test_a_scope_that_replaces_the_limit_on_all_requests_leaves_it_on_standby(
    plans: PlanCache,
) -> None:
    plan = plans.plan((Scope("plan", (Limit(300, 60),), replaces_base=True), *ROUTES[0]))
    assert plan.scopes[0] == Scope("", (Limit(30, 60),), standby=True)
    assert plan.counted is not None
    assert [str(limit) for _, limit in plan.counted.limits] == [
        "300 per 60 seconds",
        "2 per 60 seconds",
    ]
    assert plans.plan(ROUTES[0]).counted is None


@pytest.mark.parametrize(
    ("limits", "is_ruled"), [((Limit(200, 60),), False), ((Limit(200, 60), Limit(900, 3600)), True)]
)
def test_only_several_limits_have_an_order(
    plans: PlanCache, limits: tuple[Limit, ...], is_ruled: bool
) -> None:
    plans.use(Scope("", (Limit(10**6, 60),), standby=True), FACTORS, "enforce")
    ordered = plans.ordered(plans.plan((Scope("a", limits),)), "in turn", "a")
    assert (ordered.ruled, ordered.leasable) == (is_ruled, not is_ruled)


def test_plans_are_made_anew_before_the_periods_that_they_know_end() -> None:
    day, now = 86_400.0, [86_400.0 * 100 + 5]
    plans = PlanCache("fixed-window", 3600, "UTC", lambda: now[0])
    plans.use(own(30), FACTORS, "enforce")
    scopes = (Scope("x", parse_limits("5/calendar-day")),)
    plan = plans.plan(scopes)
    plans.keep_up()
    assert plans.plan(scopes) is plan
    now[0] += 2 * day
    plans.keep_up()
    renewed = plans.plan(scopes)
    assert renewed is not plan
    # A plan of before knows the periods of days to come all the same, and counts in the same place.
    assert plan.periods["day"][-1] > (now[0] + 3 * day) * 1e6
    assert (renewed.signatures, renewed.scopes) == (plan.signatures, plan.scopes)


def test_counts_in_another_time_zone_are_counts_of_their_own() -> None:
    scopes = (Scope("x", parse_limits("5/calendar-day")),)
    found = set()
    for zone in ("UTC", "Europe/Berlin"):
        plans = PlanCache("fixed-window", 3600, zone)
        plans.use(own(30), FACTORS, "enforce")
        found.add(plans.plan(scopes).signatures[1])
    assert len(found) == 2
