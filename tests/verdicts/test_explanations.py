"""Test the reasons for a score, with a detector whose arithmetic can be done by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA
from flask_irl.behaviour.harm import harm_level
from flask_irl.behaviour.site_statistics import usual_values
from flask_irl.model.calibration import Calibration
from flask_irl.model.detectors import NullDetector, Rows
from flask_irl.model.model import Model
from flask_irl.verdicts.explanations import (
    AT_ONCE,
    MAX_REASONS,
    Reason,
    as_json,
    doublings_of_harm,
    reasons_of,
)
from flask_irl.verdicts.judge import GROWTH
from flask_irl.verdicts.themes import THEMES

WIDTH = len(FEATURE_NAMES)
IDENTITY = Calibration(((0.0, 0.0), (1.0, -1.0)))


@dataclass(frozen=True)
class Weighted:
    """Score minus the weighted sum of the features."""

    weights: tuple[float, ...]
    start: float = 0.0
    kind = "weighted"
    floor = 0.0
    n_features = WIDTH

    def score(self, rows: Rows) -> NDArray[np.float64]:
        added = np.asarray(rows, dtype=np.float64) @ np.array(self.weights)
        score: NDArray[np.float64] = np.clip(self.start + added, 0.0, 1.0)
        return score

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        raise NotImplementedError

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        raise NotImplementedError


def by_name(values: Mapping[str, float]) -> list[float]:
    return [values.get(name, 0.0) for name in FEATURE_NAMES]


def row_of(**values: float) -> NDArray[np.float32]:
    return np.array(by_name(values), dtype=np.float32)


def model_of(weights: Mapping[str, float], usual: Mapping[str, list[float]] | None = None) -> Model:
    """Make a model to which features are usually 0, and seldom more, but for ``usual``."""
    table = {name: [0.0, 0.001] for name in FEATURE_NAMES} | dict(usual or {})
    return Model(
        version=1,
        schema=SCHEMA,
        features=FEATURE_NAMES,
        trained_at=1.0,
        rows=100,
        clients=50,
        requests=500,
        advisory=False,
        detector=Weighted(tuple(by_name(weights))),
        calibration=IDENTITY,
        site={"usual": table},
    )


def reasons(model: Model, row: NDArray[np.float32], most: float = math.inf) -> list[Reason]:
    """List the reasons for one client's score."""
    return reasons_of(model, row[None], np.array([most]))[0]


def names(result: list[Reason]) -> list[str]:
    return [reason.feature for reason in result]


# What is usual

ROWS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.just(WIDTH)),
    elements=st.floats(-1e6, 1e6, width=32),
)


@given(ROWS)
def test_of_a_feature_half_are_over_the_usual_value_and_few_over_the_high_one(
    rows: NDArray[np.float32],
) -> None:
    usual = usual_values(rows)
    assert tuple(usual) == FEATURE_NAMES
    for column, (median, high) in zip(rows.T.astype(float), usual.values(), strict=True):
        # A millionth: they are rounded for JSON.
        assert (column > median + 1e-6).mean() <= 0.5
        assert (column < median - 1e-6).mean() <= 0.5
        assert (column > high + 1e-6).mean() <= 0.05 + 1 / len(column)
        assert median <= high


@given(ROWS)
def test_usual_values_survive_json(rows: NDArray[np.float32]) -> None:
    usual = usual_values(rows)
    assert json.loads(json.dumps(usual)) == usual


def test_usual_values_are_the_quantiles() -> None:
    rows = np.tile(np.arange(101, dtype=np.float32)[:, None], (1, WIDTH))
    assert set(map(tuple, usual_values(rows).values())) == {(50.0, 95.0)}


# Reasons


def test_of_like_harm_what_moves_the_score_most_comes_first() -> None:
    model = model_of({"denied_share": 0.2, "missing_share": 0.3, "probe_share": 0.1})
    result = reasons(model, row_of(denied_share=0.9, missing_share=0.9, probe_share=0.5))
    assert names(result) == ["missing_share", "denied_share", "probe_share"]
    assert [reason.effect for reason in result] == pytest.approx([0.27, 0.18, 0.05])


def test_the_worse_harm_comes_before_what_moves_the_score_a_little_more() -> None:
    model = model_of({"requests_per_minute": 0.3 / 580, "route_entropy": 0.25})
    result = reasons(model, row_of(requests_per_minute=580.0, route_entropy=1.6))
    assert result[1].effect > result[0].effect
    assert names(result) == ["requests_per_minute", "route_entropy"]


def test_a_rate_that_harms_nobody_comes_after_a_scan() -> None:
    weights = {"requests_per_minute": 0.4 / 60, "missing_share": 0.3}
    usual = {"requests_per_minute": [6.0, 10.0]}
    told = {
        rate: names(reasons(model_of(weights, usual), row_of(**{**SCAN, RATE: rate})))[0]
        for rate in (55.0, 95.0)
    }
    assert told == {55.0: "missing_share", 95.0: "requests_per_minute"}


SCAN = {"missing_share": 0.9}
RATE = "requests_per_minute"


def test_features_of_one_behaviour_make_one_reason_with_their_effects_together() -> None:
    weights = dict.fromkeys(("requests_per_minute", "sustained_rate", "hourly_rate"), 0.1)
    [reason] = reasons(model_of(weights), row_of(**dict.fromkeys(weights, 2.0)))
    assert reason.feature == "requests_per_minute"
    assert reason.effect == pytest.approx(0.6)


def test_a_behaviour_is_told_by_the_first_of_its_features_that_is_unusual() -> None:
    model = model_of({"sustained_rate": 0.1}, {"requests_per_minute": [6.0, 10.0]})
    [reason] = reasons(model, row_of(requests_per_minute=9.0, sustained_rate=3.0))
    assert reason.feature == "sustained_rate"


def test_a_score_at_its_end_still_has_its_reasons() -> None:
    # Each of them alone would be enough: without it the score is the same.
    model = model_of({"denied_share": 1.0, "missing_share": 1.0})
    result = reasons(model, row_of(denied_share=1.0, missing_share=1.0))
    assert {reason.effect for reason in result} == {0.5}


def test_what_another_reason_says_in_more_detail_is_left_out() -> None:
    model = model_of({"failures_per_minute": 0.3, "missing_share": 0.2})
    assert names(reasons(model, row_of(failures_per_minute=1.0, missing_share=0.9))) == [
        "missing_share"
    ]
    assert names(reasons(model, row_of(failures_per_minute=1.0))) == ["failures_per_minute"]


@pytest.mark.parametrize("value", [2.0, 6.0, 30.0])
def test_a_value_that_is_not_beyond_the_usual_ones_is_no_reason(value: float) -> None:
    # The model may find a low rate odd; nobody is to be told off for that.
    usual = {"requests_per_minute": [6.0, 40.0]}
    model = replace(
        model_of({}, usual),
        detector=Weighted(tuple(by_name({"requests_per_minute": -0.01})), start=0.9),
    )
    assert reasons(model, row_of(requests_per_minute=value)) == []
    model = model_of({"requests_per_minute": 0.01}, usual)
    assert reasons(model, row_of(requests_per_minute=value)) == []


def test_a_reason_tells_the_clients_value_and_the_usual_ones() -> None:
    model = model_of({"denied_share": 0.5}, {"denied_share": [0.125, 0.25]})
    [reason] = reasons(model, row_of(denied_share=0.75))
    assert (reason.value, reason.median, reason.high) == (0.75, 0.125, 0.25)
    assert reason.effect == pytest.approx(0.5 * (0.75 - 0.125), abs=1e-4)


@given(
    weights=st.lists(st.floats(0, 1 / WIDTH), min_size=WIDTH, max_size=WIDTH),
    values=st.lists(st.floats(0, 1), min_size=WIDTH, max_size=WIDTH),
    medians=st.lists(st.floats(0, 1), min_size=WIDTH, max_size=WIDTH),
)
def test_an_effect_is_the_part_of_the_score_that_a_behaviour_accounts_for(
    weights: list[float], values: list[float], medians: list[float]
) -> None:
    usual = {n: [m, m] for n, m in zip(FEATURE_NAMES, medians, strict=True)}
    model = model_of(dict(zip(FEATURE_NAMES, weights, strict=True)), usual)
    result = reasons(model, np.array(values, dtype=np.float32))
    moves = {
        name: w * (v - m)
        for name, w, v, m in zip(FEATURE_NAMES, weights, values, medians, strict=True)
    }
    assert len(result) <= MAX_REASONS
    for reason in result:
        [theme] = [theme for theme in THEMES if reason.feature in theme.told]
        expected = sum(moves[name] for name in (*theme.told, *theme.shown))
        assert reason.effect == pytest.approx(expected, abs=1e-4)


def test_at_most_five_reasons_are_listed() -> None:
    model = model_of(dict.fromkeys(FEATURE_NAMES, 1 / (3 * WIDTH)))
    result = reasons(model, np.ones(WIDTH, dtype=np.float32))
    assert len(result) == MAX_REASONS


@pytest.mark.parametrize(("value", "is_reason"), [(0.004, False), (0.006, True)])
def test_a_feature_that_hardly_moves_the_score_is_no_reason(value: float, is_reason: bool) -> None:
    result = reasons(model_of({"denied_share": 1.0}), row_of(denied_share=value))
    assert bool(result) == is_reason


def test_a_feature_in_favour_of_a_client_is_no_reason() -> None:
    # It writes less than is usual, where writing counts against a client.
    model = model_of({"write_share": 0.5, "denied_share": 0.5}, {"write_share": [0.5, 1.0]})
    assert names(reasons(model, row_of(write_share=0.1, denied_share=0.5))) == ["denied_share"]


def test_a_client_as_usual_has_no_reasons() -> None:
    model = model_of({name: 0.03 - n / 2000 for n, name in enumerate(FEATURE_NAMES)})
    assert reasons(model, row_of()) == []


def test_many_clients_have_the_reasons_that_each_has_alone() -> None:
    weights = {name: 0.02 - n / 2000 for n, name in enumerate(FEATURE_NAMES)}
    model = replace(model_of(weights), harm_weight=0.1)
    rows = np.random.default_rng(1).uniform(0, 2, (2 * AT_ONCE + 7, WIDTH)).astype(np.float32)
    rows[:, FEATURE_NAMES.index("sustained_new_paths")] = 40.0
    most = 0.5 * np.arange(len(rows), dtype=np.float64) % 1.5
    alone = [reasons(model, row, own) for row, own in zip(rows, most, strict=True)]
    assert alone != [reasons(model, row) for row in rows]
    assert reasons_of(model, rows, most) == alone
    assert reasons_of(model, rows[:0], most[:0]) == []


def test_harm_that_a_client_is_known_for_is_no_reason() -> None:
    model = replace(model_of({}), harm_weight=0.1)
    row = row_of(sustained_new_paths=40.0, interval_entropy=2.0)
    assert names(reasons(model, row)) == ["sustained_new_paths"]
    assert reasons(model, row, most=0.0) == []


@pytest.mark.parametrize(
    ("weeks", "share", "most"),
    [(2, 1.0, 0.0), (2, 0.51 / GROWTH, 0.0), (2, 0.125 / GROWTH, 2.0), (0, 1.0, math.inf)],
)
def test_of_the_harm_of_a_regular_counts_that_beyond_what_it_is_known_for(
    weeks: int, share: float, most: float
) -> None:
    rows = row_of(sustained_new_paths=40.0)[None]
    record = profile.decode([b""])
    record["updated"], record["first"], record["minutes"] = 1e9, 1e9 - weeks * 604_800, 1000
    record["level"] = share * harm_level(rows)
    model = replace(model_of({}), site={"began": 1e9 - 2 * 604_800})
    assert doublings_of_harm(model, record, rows) == pytest.approx([most], abs=0.01)


def test_the_row_that_is_explained_stays_as_it_is() -> None:
    row = row_of(denied_share=0.75)
    before = row.copy()
    reasons(model_of({"denied_share": 1.0}), row)
    assert np.array_equal(row, before)


def test_before_the_first_training_there_are_no_reasons() -> None:
    assert reasons(Model.untrained(SCHEMA, FEATURE_NAMES), row_of(denied_share=1.0)) == []


def test_a_model_that_knows_nothing_usual_gives_no_reasons() -> None:
    model = replace(model_of({"denied_share": 1.0}), site={})
    assert reasons(model, row_of(denied_share=1.0)) == []


def test_a_detector_that_finds_nothing_gives_no_reasons() -> None:
    model = replace(model_of({}), detector=NullDetector(WIDTH))
    assert reasons(model, np.ones(WIDTH, dtype=np.float32)) == []


# For people


def test_a_reason_has_a_sentence() -> None:
    model = model_of({"new_paths_per_minute": 0.01}, {"new_paths_per_minute": [0.5, 3.0]})
    [reason] = reasons(model, row_of(new_paths_per_minute=41.0))
    assert reason.sentence == "41 paths a minute that are new to it; usual is 0.5"


def test_nought_has_no_sign() -> None:
    # As the entropy of one thing only is.
    model = replace(
        model_of({}, {"interval_variation": [1.0, 2.0]}),
        detector=Weighted(tuple(by_name({"interval_variation": -0.5})), start=0.5),
    )
    [reason] = reasons(model, row_of(interval_variation=-0.0))
    assert str(reason.value) == "0.0"


def test_reasons_are_ready_for_json() -> None:
    model = model_of({"denied_share": 0.5, "write_share": 0.5})
    result = as_json(reasons(model, row_of(denied_share=0.9, write_share=0.4)))
    assert json.loads(json.dumps(result)) == result
    assert [set(entry) for entry in result] == [set(Reason._fields)] * 2
