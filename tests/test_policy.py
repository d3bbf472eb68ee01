"""The ladder: steps are taken on evidence, held, and left without flapping."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.policy import HYSTERESIS, Ladder, Step, next_steps, simple_ladder, smooth

LADDER = simple_ladder(0.3, 60.0, -0.5)


def after(
    step: int, score: float, since: float = 1e6, evidence: float = 100, ladder: Ladder = LADDER
) -> int:
    columns = (np.array([x], dtype=float) for x in (score, since, evidence))
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


def test_a_longer_ladder_is_data() -> None:
    ladder = Ladder((Step(1.0), Step(0.3, 10), Step(0.1, 20), Step(0.0, 30)), -0.5)
    assert ladder.factors == (1.0, 0.3, 0.1, 0.0)
    step, walked = 0, []
    for _ in range(5):
        step = after(step, -0.9, ladder=ladder)
        walked.append(step)
    assert walked == [1, 2, 3, 3, 3]
    assert after(2, -0.9, since=5, ladder=ladder) == 2
    assert after(3, -0.1, ladder=ladder) == 2


def test_a_first_score_counts_whole_and_later_ones_pull() -> None:
    one = np.ones(1)
    assert smooth(0 * one, -0.8 * one, np.inf * one)[0] == -0.8
    pulled = smooth(-0.2 * one, -0.8 * one, one)[0]
    assert -0.8 < pulled < -0.2
