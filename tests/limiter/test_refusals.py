"""The clients known to be over their limit are refused here, and only as long as that is true."""

from __future__ import annotations

import pytest

from flask_irl.limiter.refusals import MOST_SECONDS, Refusals
from flask_irl.limits.decision import Hit
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope

BASE = Scope("", (Limit(100, 60),))
SHARED = Scope("shared:api", (Limit(50, 60), Limit(500, 3600)))


def plan_of(*scopes: Scope) -> Plan:
    return Plan((BASE, *scopes), "fixed-window", (1.0, 0.3))


PLAN = plan_of()


def refused(seconds: float = 5.0, binding: int = 0) -> Hit:
    us = seconds * 1e6
    return Hit(False, binding, 0, False, 0.0, 100, 0, us, us, 1.7e15, 10.0)


@pytest.fixture
def refusals() -> Refusals:
    return Refusals()


def test_a_refusal_holds_until_the_client_may_be_admitted(refusals: Refusals) -> None:
    hit = refused(seconds=5)
    refusals.remember("a", PLAN, 1, hit, now=100.0)
    found = refusals.find("a", PLAN, 1, now=104.9)
    assert found is not None
    assert found.hit == hit
    assert refusals.find("a", PLAN, 1, now=105.0) is None
    assert len(refusals) == 0


def test_a_refusal_is_believed_for_some_seconds_only(refusals: Refusals) -> None:
    refusals.remember("a", PLAN, 1, refused(seconds=3600), now=100.0)
    assert refusals.find("a", PLAN, 1, now=100.0 + MOST_SECONDS - 0.1)
    assert refusals.find("a", PLAN, 1, now=100.0 + MOST_SECONDS) is None


def test_what_the_store_would_answer_by_now_is_told_in_whole_microseconds(
    refusals: Refusals,
) -> None:
    refusals.remember("a", PLAN, 1, refused(), now=100.0)
    found = refusals.find("a", PLAN, 1, now=102.5)
    assert found is not None
    later = found.hit_at(102.5)
    assert later.now - found.hit.now == 2_500_000
    assert found.hit.retry_after - later.retry_after == 2_500_000


def test_other_clients_are_not_concerned(refusals: Refusals) -> None:
    refusals.remember("a", PLAN, 1, refused(), now=100.0)
    assert refusals.find("b", PLAN, 1, now=100.0) is None


@pytest.mark.parametrize(("cost", "known"), [(0, False), (2, False), (3, True), (4, True)])
def test_what_costs_less_may_be_admitted(refusals: Refusals, cost: int, known: bool) -> None:
    refusals.remember("a", PLAN, 3, refused(), now=100.0)
    assert (refusals.find("a", PLAN, cost, now=100.0) is not None) == known


def test_a_request_that_is_not_under_the_refusing_limit_is_not_concerned(
    refusals: Refusals,
) -> None:
    refusals.remember("a", plan_of(SHARED), 1, refused(binding=2), now=100.0)
    assert refusals.find("a", plan_of(), 1, now=100.0) is None
    assert refusals.find("a", plan_of(Scope("other", SHARED.limits)), 1, now=100.0) is None


def test_a_limit_of_the_same_scope_that_is_another_limit_is_not_concerned(
    refusals: Refusals,
) -> None:
    free, paying = (plan_of(Scope("view", (Limit(n, 60),))) for n in (5, 500))
    refusals.remember("a", free, 1, refused(binding=1), now=100.0)
    assert refusals.find("a", paying, 1, now=100.0) is None


@pytest.mark.parametrize(
    ("scopes", "place"),
    [
        ((SHARED,), 2),
        ((Scope("view", (Limit(5, 60),)), SHARED), 3),
        ((SHARED, Scope("view", (Limit(5, 60),))), 2),
    ],
)
def test_the_limit_that_refuses_is_pointed_out_in_the_plan_that_is_asked_for(
    refusals: Refusals, scopes: tuple[Scope, ...], place: int
) -> None:
    crowded = plan_of(*(Scope(name, (Limit(9, 60),)) for name in "xyz"), SHARED)
    refusals.remember("a", crowded, 1, refused(binding=5), now=100.0)
    plan = plan_of(*scopes)
    found = refusals.find("a", plan, 1, now=100.0)
    assert found is not None
    assert found.hit.binding == place
    assert plan.limits[place] == (SHARED, Limit(500, 3600))


def test_a_limit_that_counts_another_key_says_nothing_of_the_client(refusals: Refusals) -> None:
    plan = plan_of(Scope("view", (Limit(5, 60),), own_key=True))
    refusals.remember("a", plan, 1, refused(binding=1), now=100.0)
    assert refusals.find("a", plan, 1, now=100.0) is None


def test_the_latest_refusal_counts(refusals: Refusals) -> None:
    refusals.remember("a", PLAN, 1, refused(seconds=1), now=100.0)
    refusals.remember("a", PLAN, 1, refused(seconds=5), now=101.0)
    assert refusals.find("a", PLAN, 1, now=105.9)


def test_the_oldest_refusals_make_room() -> None:
    refusals = Refusals(capacity=3)
    for client in "abc":
        refusals.remember(client, PLAN, 1, refused(), now=100.0)
    refusals.remember("a", PLAN, 1, refused(), now=100.0)
    refusals.remember("d", PLAN, 1, refused(), now=100.0)
    known = {client for client in "abcd" if refusals.find(client, PLAN, 1, now=100.0)}
    assert known == {"a", "c", "d"}


def test_a_client_can_be_forgotten(refusals: Refusals) -> None:
    for client in "ab":
        refusals.remember(client, PLAN, 1, refused(), now=100.0)
    refusals.forget("a")
    refusals.forget("never seen")
    assert refusals.find("a", PLAN, 1, now=100.0) is None
    assert refusals.find("b", PLAN, 1, now=100.0)


def test_all_can_be_forgotten(refusals: Refusals) -> None:
    refusals.remember("a", PLAN, 1, refused(), now=100.0)
    refusals.clear()
    assert len(refusals) == 0
    assert refusals.find("a", PLAN, 1, now=100.0) is None
