"""Test the ladder: steps are taken on evidence, held, and left without flapping."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.verdicts.climbing import HYSTERESIS, next_steps, smooth
from flask_irl.verdicts.ladder import CLIMB_SECONDS, Ladder, Step, ladder_of

LADDER = ladder_of((0.3,), 60.0, -0.5)


def after(
    step: int,
    score: float,
    since: float = 1e6,
    evidence: float = 100,
    ladder: Ladder = LADDER,
    offences: float = 0,
) -> int:
    columns = (np.array([x], dtype=float) for x in (score, since, evidence, offences))
    return int(next_steps(ladder, np.array([step]), *columns)[0])


@pytest.mark.parametrize(
    ("step", "score", "since", "evidence", "then"),
    [
        (0, -0.51, 1e6, 100, 1),
        (0, -0.5, 1e6, 100, 0),
        (0, -0.9, 1e6, 2, 0),
        (1, -0.9, 1e6, 100, 1),
        (1, -0.5 + HYSTERESIS / 2, 1e6, 100, 1),
        (1, -0.2, 59, 100, 1),
        (1, -0.2, 60, 100, 0),
        (1, -0.9, 60, 0, 0),
        (9, -0.2, 1e6, 100, 0),
    ],
)
def test_next_step(step: int, score: float, since: float, evidence: float, then: int) -> None:
    assert after(step, score, since, evidence) == then


@given(st.lists(st.floats(-HYSTERESIS, HYSTERESIS * 0.99), max_size=60))
def test_a_score_that_wanders_at_the_threshold_changes_the_step_once_at_most(
    wandering: list[float],
) -> None:
    steps = [0]
    for offset in wandering:
        steps.append(after(steps[-1], -0.5 + offset))
    assert sum(a != b for a, b in itertools.pairwise(steps)) <= 1


LONG = Ladder((Step(1.0), Step(0.3, 10, 5), Step(0.1, 20, 5), Step(0.0, 30)), -0.5)


def test_a_client_that_does_not_mend_climbs_to_the_last_step_and_stays() -> None:
    assert LONG.factors == (1.0, 0.3, 0.1, 0.0)
    step, walked = 0, []
    for _ in range(5):
        step = after(step, -0.9, ladder=LONG)
        walked.append(step)
    assert walked == [1, 2, 3, 3, 3]


@pytest.mark.parametrize(("since", "then"), [(0, 1), (4.9, 1), (5, 2)])
def test_the_next_step_down_is_taken_only_after_the_climb(since: float, then: int) -> None:
    assert after(1, -0.9, since, ladder=LONG) == then


@pytest.mark.parametrize(
    ("step", "since", "then"), [(3, 29, 3), (3, 30, 2), (2, 19, 2), (2, 20, 1)]
)
def test_a_mending_client_goes_up_one_step_after_each_hold(
    step: int, since: float, then: int
) -> None:
    assert after(step, -0.1, since, ladder=LONG) == then


@pytest.mark.parametrize(("offences", "since", "then"), [(0, 2.5, 1), (1, 2.4, 1), (1, 2.5, 2)])
def test_a_client_that_offended_before_is_sent_further_down_sooner(
    offences: float, since: float, then: int
) -> None:
    assert after(1, -0.9, since, ladder=LONG, offences=offences) == then


def test_offences_alone_send_nobody_down() -> None:
    assert after(0, -0.4, ladder=LONG, offences=100) == 0
    assert after(1, -0.4, ladder=LONG, offences=100) == 0


@given(
    step=st.integers(0, 3),
    score=st.floats(-1, 0),
    since=st.floats(0, 1e6),
    evidence=st.floats(0, 100),
    offences=st.floats(0, 50),
)
def test_a_step_is_one_at_a_time_and_on_the_ladder(
    step: int, score: float, since: float, evidence: float, offences: float
) -> None:
    then = after(step, score, since, evidence, LONG, offences)
    assert 0 <= then <= 3
    assert abs(then - step) <= 1
    if then > step:
        assert score < LONG.threshold
        assert evidence >= LONG.evidence
    if then < step:
        assert since >= LONG.steps[step].hold_seconds


@given(st.integers(0, 3), st.floats(-1, 0), st.floats(0, 60), st.floats(0, 20), st.floats(0, 20))
def test_more_offences_never_make_it_milder(
    step: int, score: float, since: float, few: float, more: float
) -> None:
    low, high = sorted((few, more))
    assert after(step, score, since, ladder=LONG, offences=high) >= after(
        step, score, since, ladder=LONG, offences=low
    )


def test_each_next_step_of_a_ladder_is_held_twice_as_long() -> None:
    ladder = ladder_of((0.3, 0.1, 0.0), 60.0, -0.4)
    assert ladder.factors == (1.0, 0.3, 0.1, 0.0)
    assert [step.hold_seconds for step in ladder.steps] == [0.0, 60.0, 120.0, 240.0]
    assert ladder.threshold == -0.4


@pytest.mark.parametrize(("window", "climb"), [(60.0, CLIMB_SECONDS), (10.0, 5.0)])
def test_a_step_lasts_at_least_half_a_short_window(window: float, climb: float) -> None:
    steps = ladder_of((0.3, 0.0), window, -0.5).steps
    assert [step.climb_seconds for step in steps[1:]] == [climb, climb]


def test_a_first_score_counts_whole_and_later_ones_pull() -> None:
    one = np.ones(1)
    assert smooth(0 * one, -0.8 * one, np.inf * one)[0] == -0.8
    pulled = smooth(-0.2 * one, -0.8 * one, one)[0]
    assert -0.8 < pulled < -0.2
