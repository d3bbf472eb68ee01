"""Test calibrations of raw scores."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.calibration import Calibration, calibrate_by_impact

SCORES = st.one_of(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.lists(st.sampled_from([0.0, 0.3, 0.3 + 1e-9, 0.5, 1.0]), min_size=1, max_size=60),
).map(np.array)
RATES = st.floats(1e-6, 0.4999)
PROBES = st.lists(st.floats(), min_size=1, max_size=30).map(np.array)


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    """Draw a calibration, those with knots a hair apart included."""
    count = draw(st.integers(2, 6))
    raw = draw(st.lists(st.floats(-2, 2), min_size=count, max_size=count, unique=True))
    calibrated = draw(st.lists(st.floats(-1, 0), min_size=count, max_size=count))
    return Calibration(tuple(zip(sorted(raw), sorted(calibrated, reverse=True), strict=True)))


def normal_scores(count: int) -> NDArray[np.float64]:
    """Draw scores spread as a forest's over ordinary traffic."""
    return np.clip(np.random.default_rng(3).normal(0.42, 0.05, count), 0.0, 1.0)


class Sample(NamedTuple):
    """Hold the scores of rows, their signs of harm, and the requests that each stands for."""

    raw: NDArray[np.float64]
    harmful: NDArray[np.bool_]
    requests: NDArray[np.float64]

    def calibrate(self, budget: float, floor: float = 0.0) -> Calibration:
        return calibrate_by_impact(*self, budget, floor)

    def lost(self, calibration: Calibration) -> float:
        """Give the share of all requests whose rows can be flagged and are."""
        flagged = (calibration.apply(self.raw) < -0.5) & self.harmful
        return float(self.requests[flagged].sum() / self.requests.sum())


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    raw = draw(SCORES)
    columns = (
        draw(st.lists(element, min_size=len(raw), max_size=len(raw)))
        for element in (st.booleans(), st.integers(1, 1000))
    )
    harmful, requests = columns
    return Sample(raw, np.array(harmful, dtype=bool), np.array(requests, dtype=np.float64))


def alike(scores: NDArray[np.float64], harmful: bool = True) -> Sample:
    """Make rows that each stand for one request."""
    return Sample(scores, np.full(len(scores), harmful), np.ones(len(scores)))


@given(samples(), RATES, st.floats(0, 1))
def test_no_more_requests_than_the_budget_are_lost(
    sample: Sample, budget: float, floor: float
) -> None:
    assert sample.lost(sample.calibrate(budget, floor)) <= budget + 1e-12


@given(samples(), RATES, st.floats(0, 1))
def test_nothing_up_to_the_floor_is_below_the_threshold(
    sample: Sample, budget: float, floor: float
) -> None:
    assert sample.calibrate(budget, floor).apply(np.array([floor]))[0] >= -0.5


@given(samples(), RATES)
def test_no_more_than_one_row_in_a_hundred_is_below_the_threshold(
    sample: Sample, budget: float
) -> None:
    assert np.mean(sample.calibrate(budget).apply(sample.raw) < -0.5) <= 0.01


@given(samples(), RATES, RATES)
def test_a_larger_budget_never_flags_less(sample: Sample, one: float, two: float) -> None:
    few, many = (
        np.sum(sample.calibrate(budget).apply(sample.raw) < -0.5) for budget in sorted((one, two))
    )
    assert few <= many


@given(samples(), RATES, st.floats(-1, 0), st.floats(-1, 0))
def test_a_higher_threshold_flags_more(
    sample: Sample, budget: float, one: float, two: float
) -> None:
    calibrated = sample.calibrate(budget).apply(sample.raw)
    assert np.sum(calibrated < min(one, two)) <= np.sum(calibrated < max(one, two))


def test_the_budget_is_used_up_to_the_margin() -> None:
    # Twenty requests of 10,000: the row that the budget has no room for is the 21st.
    scores = normal_scores(10_000)
    dear = np.sort(scores)[-21]
    flagged = np.sum(alike(scores).calibrate(0.002).apply(scores) < -0.5)
    assert flagged == np.sum(scores > dear + 0.005)


def test_a_row_of_many_requests_takes_more_of_the_budget() -> None:
    scores = np.concatenate((normal_scores(1000), [0.9]))
    light, heavy = alike(scores), alike(scores)
    heavy.requests[-1] = 100
    found = [sample.calibrate(0.01).apply(np.array([0.9]))[0] for sample in (light, heavy)]
    assert found[0] < -0.5 < found[1]


def test_rows_without_a_sign_of_harm_cost_nothing() -> None:
    scores = np.concatenate((normal_scores(1000), [0.9]))
    sample = alike(scores)
    sample.requests[-1] = 100
    sample.harmful[-1] = False
    assert sample.calibrate(0.01).apply(np.array([0.9]))[0] < -0.5


def test_the_threshold_is_as_low_as_the_floor_where_nothing_is_lost() -> None:
    scores = np.full(200, 0.1)
    calibration = alike(scores, harmful=False).calibrate(0.001, 0.55)
    assert calibration.apply(np.array([0.55]))[0] == -0.5
    assert calibration.apply(np.array([0.56]))[0] < -0.5


@given(calibrations(), PROBES)
def test_scores_stay_in_range_and_fall_as_raw_scores_rise(
    calibration: Calibration, raw: NDArray[np.float64]
) -> None:
    calibrated = calibration.apply(np.sort(raw[~np.isnan(raw)]))
    assert np.all((calibrated >= -1.0) & (calibrated <= 0.0))
    assert np.all(np.diff(calibrated) <= 0.0)


@given(calibrations())
@example(Calibration(((0.0, -1 / 3), (1.0, -0.99999))))
def test_the_curve_goes_exactly_through_its_knots(calibration: Calibration) -> None:
    raw, calibrated = np.array(calibration.knots).T
    np.testing.assert_array_equal(calibration.apply(raw), calibrated)


@given(calibrations())
def test_just_below_a_knot_no_score_is_below_the_knots(calibration: Calibration) -> None:
    raw, calibrated = np.array(calibration.knots).T
    assert np.all(calibration.apply(np.nextafter(raw, -np.inf)) >= calibrated)


@given(samples(), RATES)
def test_it_survives_json(sample: Sample, budget: float) -> None:
    calibration = sample.calibrate(budget)
    assert Calibration.from_list(json.loads(json.dumps(calibration.to_list()))) == calibration


@pytest.mark.parametrize(("score", "share"), [(-0.1, 0.5), (-0.25, 0.1)])
def test_scores_of_normal_traffic_tell_its_share(score: float, share: float) -> None:
    scores = normal_scores(10_000)
    assert np.mean(alike(scores).calibrate(0.001).apply(scores) < score) == pytest.approx(share)


def test_the_most_normal_row_scores_zero_and_the_most_anomalous_minus_one() -> None:
    scores = normal_scores(1000)
    probe = np.array([scores.min(), 1.0])
    assert alike(scores).calibrate(0.01).apply(probe).tolist() == [0.0, -1.0]


def test_not_a_number_counts_as_normal() -> None:
    assert alike(normal_scores(100)).calibrate(0.01).apply(np.array([np.nan]))[0] == 0.0


def test_the_shape_of_the_input_is_kept() -> None:
    calibration = alike(normal_scores(100)).calibrate(0.01)
    assert calibration.apply(np.zeros((0,))).shape == (0,)
    assert calibration.apply(np.zeros((2, 3))).shape == (2, 3)


def test_a_small_sample_can_still_flag() -> None:
    assert alike(np.array([0.1, 0.9])).calibrate(0.0001).apply(np.array([0.99]))[0] < -0.5


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("count", [1, 2, 1000])
def test_a_constant_sample_flags_nothing_close_to_it(value: float, count: int) -> None:
    calibration = alike(np.full(count, value), harmful=False).calibrate(0.01)
    assert calibration.apply(np.array([value]))[0] == 0.0
    assert calibration.apply(np.array([value + 0.009]))[0] > -0.5 or value == 1.0


def test_no_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        alike(np.array([])).calibrate(0.01)


@pytest.mark.parametrize("scores", [[0.5, np.nan], [-0.1], [1.1], [np.inf]])
def test_raw_scores_out_of_range_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        alike(np.array(scores)).calibrate(0.01)


@pytest.mark.parametrize("budget", [0.0, -0.1, 0.5, 1.0, float("nan")])
def test_budgets_out_of_range_are_refused(budget: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        alike(np.array([0.5])).calibrate(budget)


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
