"""Test the weight of harm in raw scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_irl.model.detectors import Detector, NullDetector
from flask_irl.model.weighing import GRAVE, GRAVEST, weighed_scores
from tests.model.detectors.test_conformance import MAKERS

WEIGHING = [detector for make in MAKERS.values() if (detector := make()).harm_weight]


def weighed(detector: Detector, *levels: float) -> list[float]:
    """Score the same usual row with each level of harm."""
    rows = np.zeros((len(levels), detector.n_features))
    scores: list[float] = weighed_scores(detector, rows, np.array(levels)).tolist()
    return scores


@pytest.mark.parametrize("detector", WEIGHING, ids=lambda detector: detector.kind)
def test_the_gravest_harm_adds_the_detector_s_weight(detector: Detector) -> None:
    none, grave, gravest, beyond = weighed(detector, 0.0, GRAVE, GRAVEST, 1e9)
    assert grave == none
    assert gravest == beyond == pytest.approx(min(none + detector.harm_weight, 1.0))


def test_a_detector_without_a_weight_is_not_swayed() -> None:
    assert weighed(NullDetector(2), 0.0, 1e9) == [0.0, 0.0]


@given(st.sampled_from(WEIGHING), st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_harm_never_lowers_a_score(detector: Detector, one: float, two: float) -> None:
    less, more = weighed(detector, min(one, two), max(one, two))
    assert 0.0 <= less <= more <= 1.0
