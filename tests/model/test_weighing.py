"""Test the weighing of scores by harm: more of it weighs more, but not of jobs and regulars."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.model.weighing import USUAL_HARM, with_harm


def rows_of_harm(*levels: float) -> NDArray[np.float32]:
    """Make rows of clients who take so many times as many new paths as eager people do."""
    rows = np.zeros((len(levels), len(FEATURE_NAMES)), dtype=np.float32)
    rows[:, FEATURE_NAMES.index("sustained_new_paths")] = [
        4.0 * USUAL_HARM * level for level in levels
    ]
    rows[:, FEATURE_NAMES.index("interval_entropy")] = 1.0
    return rows


def test_each_doubling_of_harm_weighs_as_much() -> None:
    raw = np.full(5, 0.5)
    weighed = with_harm(raw, rows_of_harm(0.0, 0.5, 1.0, 2.0, 8.0), 0.1)
    np.testing.assert_allclose(weighed, [0.4, 0.4, 0.5, 0.6, 0.8], atol=1e-6)


def test_the_first_minute_of_a_flood_is_harm() -> None:
    rows = rows_of_harm(0.0)
    rows[:, FEATURE_NAMES.index("requests_per_minute")] = 1800.0
    np.testing.assert_allclose(with_harm(np.full(1, 0.5), rows, 0.1), [0.7], atol=1e-6)


def test_of_the_harm_of_clients_with_a_past_no_more_counts_than_is_beyond_it() -> None:
    raw = np.full(5, 0.5)
    most = np.array([0.0, 0.0, 1.5, 5.0, np.inf])
    weighed = with_harm(raw, rows_of_harm(0.5, 8.0, 8.0, 8.0, 8.0), 0.1, most)
    np.testing.assert_allclose(weighed, [0.4, 0.5, 0.65, 0.8, 0.8], atol=1e-6)


@pytest.mark.parametrize(
    ("variation", "entropy", "spared"),
    [
        pytest.param(0.1, 0.05, True, id="one run"),
        pytest.param(0.1, 0.7, False, id="a scraper that pauses about evenly"),
        pytest.param(2.0, 0.2, False, id="a scraper that pauses for long at times"),
        pytest.param(10.0, 0.7, True, id="many runs, with pauses between them"),
        pytest.param(10.0, 1.2, False, id="people"),
    ],
)
def test_the_harm_of_a_job_that_pauses_evenly_adds_nothing(
    variation: float, entropy: float, spared: bool
) -> None:
    rows = rows_of_harm(8.0)
    rows[:, FEATURE_NAMES.index("interval_variation")] = variation
    rows[:, FEATURE_NAMES.index("interval_entropy")] = entropy
    [weighed] = with_harm(np.full(1, 0.5), rows, 0.1)
    assert weighed == pytest.approx(0.5 if spared else 0.8)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1e6)), min_size=1, max_size=8),
    st.floats(0, 1),
)
def test_weighed_scores_stay_scores(pairs: list[tuple[float, float]], weight: float) -> None:
    raw = np.array([score for score, _ in pairs])
    weighed = with_harm(raw, rows_of_harm(*(level for _, level in pairs)), weight)
    assert np.all((weighed >= 0.0) & (weighed <= 1.0))


def rows_of_hours(*clients: tuple[float, float, float]) -> NDArray[np.float32]:
    """Make rows of clients by new paths and requests within an hour, and paths in ten minutes.

    Of the last only as many as are no harm of their own.
    """
    rows = np.zeros((len(clients), len(FEATURE_NAMES)), dtype=np.float32)
    new, requests, lately = np.array(clients).T
    rows[:, FEATURE_NAMES.index("hourly_new_paths")] = new / 60.0
    rows[:, FEATURE_NAMES.index("hourly_rate")] = requests / 60.0
    rows[:, FEATURE_NAMES.index("sustained_new_paths")] = lately / 10.0
    rows[:, FEATURE_NAMES.index("interval_entropy")] = 1.0
    return rows


def added(*clients: tuple[float, float, float]) -> list[float]:
    """Give what a weight adds for the level of harm, and then for how long it lasts."""
    rows = rows_of_hours(*clients)
    weighed = with_harm(np.zeros(len(rows)), rows, 0.05)
    by_level = np.log2(
        np.maximum(rows[:, FEATURE_NAMES.index("hourly_new_paths")] / USUAL_HARM, 0.5)
    )
    return [round(float(value), 3) for value in weighed - 0.05 * by_level]


def test_taking_for_an_hour_weighs_four_times_as_much() -> None:
    assert added((180, 180, 30), (360, 360, 90), (720, 720, 180)) == [0.0, 0.2, 0.4]


def test_many_people_who_ask_for_the_same_take_less_than_one_who_does_not() -> None:
    assert added((360, 720, 90), (360, 360, 90)) == [0.0, 0.2]


def test_the_next_run_of_a_job_is_not_the_last_one() -> None:
    assert added((720, 720, 10), (720, 720, 90)) == [0.0, 0.2]


def test_a_client_that_is_known_for_it_may_take_for_hours() -> None:
    rows = rows_of_hours((720, 720, 180), (720, 720, 180), (720, 720, 180))
    weighed = with_harm(np.zeros(3), rows, 0.05, np.array([0.0, 0.5, np.inf]))
    np.testing.assert_allclose(weighed[:2], [0.0, 0.05 * 0.5 * 5], atol=1e-6)
    assert weighed[1] < weighed[2]
