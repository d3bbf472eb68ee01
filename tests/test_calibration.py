"""From raw scores to calibrated ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flask_irl.calibration import Calibration, calibrate
from flask_irl.errors import ModelError

SCORES = st.one_of(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.lists(st.sampled_from([0.0, 0.3, 0.3 + 1e-9, 0.5, 1.0]), min_size=1, max_size=60),
).map(np.array)
RATES = st.floats(1e-6, 0.4999)
PROBES = st.lists(st.floats(), min_size=1, max_size=30).map(np.array)


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    """Any calibration, those with knots a hair apart included."""
    count = draw(st.integers(2, 6))
    raw = draw(st.lists(st.floats(-2, 2), min_size=count, max_size=count, unique=True))
    calibrated = draw(st.lists(st.floats(-1, 0), min_size=count, max_size=count))
    return Calibration(tuple(zip(sorted(raw), sorted(calibrated, reverse=True), strict=True)))


def normal_scores(count: int) -> NDArray[np.float64]:
    """Scores spread as a forest's over ordinary traffic."""
    return np.clip(np.random.default_rng(3).normal(0.42, 0.05, count), 0.0, 1.0)


@given(SCORES, RATES)
def test_no_more_than_the_rate_is_flagged(scores: NDArray[np.float64], rate: float) -> None:
    assert np.mean(calibrate(scores, rate).apply(scores) < -0.5) <= rate


@given(SCORES, RATES, st.floats(-1, 0), st.floats(-1, 0))
def test_a_higher_threshold_flags_more(
    scores: NDArray[np.float64], rate: float, one: float, two: float
) -> None:
    calibrated = calibrate(scores, rate).apply(scores)
    assert np.sum(calibrated < min(one, two)) <= np.sum(calibrated < max(one, two))


@given(calibrations(), PROBES)
def test_scores_stay_in_range_and_fall_as_raw_scores_rise(
    calibration: Calibration, raw: NDArray[np.float64]
) -> None:
    calibrated = calibration.apply(np.sort(raw[~np.isnan(raw)]))
    assert np.all((calibrated >= -1.0) & (calibrated <= 0.0))
    assert np.all(np.diff(calibrated) <= 0.0)


@given(calibrations())
def test_the_curve_goes_exactly_through_its_knots(calibration: Calibration) -> None:
    raw, calibrated = np.array(calibration.knots).T
    np.testing.assert_array_equal(calibration.apply(raw), calibrated)


@given(calibrations())
def test_just_below_a_knot_no_score_is_below_the_knots(calibration: Calibration) -> None:
    raw, calibrated = np.array(calibration.knots).T
    assert np.all(calibration.apply(np.nextafter(raw, -np.inf)) >= calibrated)


@given(SCORES, RATES)
def test_it_survives_json(scores: NDArray[np.float64], rate: float) -> None:
    calibration = calibrate(scores, rate)
    assert Calibration.from_list(json.loads(json.dumps(calibration.to_list()))) == calibration


def test_the_threshold_stands_at_the_rates_quantile() -> None:
    scores = normal_scores(10_000)
    calibrated = calibrate(scores, 0.002).apply(scores)
    assert np.sum(calibrated < -0.5) == 20


@pytest.mark.parametrize(("score", "share"), [(-0.1, 0.5), (-0.25, 0.1), (-0.4, 0.01)])
def test_scores_of_normal_traffic_tell_its_share(score: float, share: float) -> None:
    scores = normal_scores(10_000)
    assert np.mean(calibrate(scores, 0.001).apply(scores) < score) == pytest.approx(share)


def test_the_most_normal_row_scores_zero_and_the_most_anomalous_minus_one() -> None:
    scores = normal_scores(1000)
    assert calibrate(scores, 0.01).apply(np.array([scores.min(), 1.0])).tolist() == [0.0, -1.0]


def test_not_a_number_counts_as_normal() -> None:
    assert calibrate(normal_scores(100), 0.01).apply(np.array([np.nan]))[0] == 0.0


def test_the_shape_of_the_input_is_kept() -> None:
    calibration = calibrate(normal_scores(100), 0.01)
    assert calibration.apply(np.zeros((0,))).shape == (0,)
    assert calibration.apply(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("count", [1, 5, 20, 100, 900])
def test_a_small_sample_flags_no_more_than_a_large_one(count: int) -> None:
    large = normal_scores(20_000)
    small = calibrate(large[:count], 0.001)
    assert np.mean(small.apply(large) < -0.5) <= 0.01


def test_a_small_sample_can_still_flag() -> None:
    assert calibrate(np.array([0.1, 0.9]), 0.0001).apply(np.array([0.99]))[0] < -0.5


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("count", [1, 2, 1000])
def test_a_constant_sample_flags_nothing_close_to_it(value: float, count: int) -> None:
    calibration = calibrate(np.full(count, value), 0.01)
    assert calibration.apply(np.array([value]))[0] == 0.0
    assert calibration.apply(np.array([value + 0.009]))[0] > -0.5 or value == 1.0


def test_no_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        calibrate(np.array([]), 0.01)


@pytest.mark.parametrize("scores", [[0.5, np.nan], [-0.1], [1.1], [np.inf]])
def test_raw_scores_out_of_range_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        calibrate(np.array(scores), 0.01)


@pytest.mark.parametrize("rate", [0.0, -0.1, 0.5, 1.0, float("nan")])
def test_rates_out_of_range_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="false_flag_rate"):
        calibrate(np.array([0.5]), rate)


@pytest.mark.parametrize(
    "knots",
    [
        None,
        {},
        [],
        [[0.1, 0.0]],
        [[0.1, 0.0], [0.2]],
        [[0.1, 0.0], [0.2, "x"]],
        [[0.1, 0.0], [0.2, True]],
        [[0.1, 0.0], [0.1, -0.5]],
        [[0.2, 0.0], [0.1, -0.5]],
        [[0.1, -0.5], [0.2, -0.4]],
        [[0.1, 0.1], [0.2, -0.4]],
        [[0.1, 0.0], [0.2, -1.1]],
        [[0.1, 0.0], [float("nan"), -1.0]],
        [[0.1, 0.0], [float("inf"), -1.0]],
        [[0.1, float("nan")], [0.2, -1.0]],
        [[0.1, 0.0], [10**400, -1.0]],
    ],
)
def test_wrong_knots_are_refused(knots: object) -> None:
    with pytest.raises(ModelError, match=r"calibration|knot"):
        Calibration.from_list(knots)
