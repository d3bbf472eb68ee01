"""Test that a limit that is alone is counted in as all others are."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.limits.admission import count_alone, decide
from flask_irl.limits.calendar import LONGEST_SECONDS
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope, StrategyName

NOW = 1.7e15
LIMIT = Limit(5, 60)
OWN = Scope("", (LIMIT,))


@given(
    strategy=st.sampled_from(["sliding-window-counter", "fixed-window"]),
    amount=st.integers(1, 2**31 - 1) | st.integers(1, 20),
    window=st.integers(1, 86_400),
    factors=st.sampled_from([(1.0,), (1.0, 0.3), (1.0, 0.75, 0.0)]),
    enforce=st.booleans(),
    step=st.integers(0, 3),
    age=st.integers(-(10**9), 10**12),
    counts=st.tuples(st.integers(0, 25), st.integers(0, 25)),
    cost=st.integers(0, 9),
)
def test_it_answers_as_all_plans_do_or_not_at_all(
    strategy: StrategyName,
    amount: int,
    window: int,
    factors: tuple[float, ...],
    enforce: bool,
    step: int,
    age: int,
    counts: tuple[int, int],
    cost: int,
) -> None:
    plan = Plan((Scope("", (Limit(amount, window),)),), strategy, factors, enforce)
    cell = (NOW - age, *counts)
    hit, cells = decide(
        plan, [cell], step=step, score=-0.5, now=NOW, gap=7.0, cost=cost, override=None
    )
    counted = count_alone(plan, cell, step, -0.5, NOW, 7.0, cost)
    usual = hit.admitted and age >= 0 and (enforce or not step or len(factors) == 1)
    assert counted == ((hit, cells[0]) if usual else None)


@pytest.mark.parametrize("strategy", get_args(StrategyName))
def test_only_windows_that_begin_with_a_request_are_alone(strategy: StrategyName) -> None:
    expected = None if strategy == "gcra" else LIMIT
    assert Plan((OWN,), strategy, (1.0,)).alone == expected


@pytest.mark.parametrize(
    "scopes",
    [
        pytest.param((OWN, Scope("a", (LIMIT,))), id="a scope more"),
        pytest.param((Scope("", (LIMIT, Limit(9, 60))),), id="a limit more"),
        pytest.param((Scope("", (LIMIT,), standby=True),), id="on standby"),
        pytest.param((Scope("", (LIMIT,), cost=2),), id="a cost of its own"),
        pytest.param(
            (Scope("", (Limit(5, LONGEST_SECONDS["day"], calendar="day"),)),), id="a calendar's"
        ),
        pytest.param((Scope("", ()),), id="none"),
    ],
)
def test_a_plan_with_more_than_a_window_has_no_limit_alone(scopes: tuple[Scope, ...]) -> None:
    assert Plan(scopes, "fixed-window", (1.0,)).alone is None
