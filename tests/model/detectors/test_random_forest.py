"""Test the Random Forest against scikit-learn's, and its blend with the Isolation Forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.errors import ModelError
from flask_irl.model.detectors import BlendDetector, RandomForestDetector
from flask_irl.model.detectors.blend import UNUSUAL
from flask_irl.model.detectors.trees import FlatTrees
from flask_irl.training.export import export_random_forest
from flask_irl.training.forests import fit_detector, fit_isolation_forest, fit_random_forest
from flask_irl.training.training_set import TrainingSet
from tests.model.detectors.test_isolation_forest import probes, stump_arrays, traffic

WIDTH = 12


def attacks(count: int) -> NDArray[np.float32]:
    """Make rows beside those of :func:`traffic`, partly among them."""
    return traffic(count, seed=5) * np.float32(3.0)


def leaf(share: float, width: int = 2) -> RandomForestDetector:
    """Make a forest that gives every row the same score."""
    arrays = stump_arrays(value=[0, share, share, share])
    return RandomForestDetector(FlatTrees(width, **arrays))


def test_scores_equal_scikit_learns_probabilities_on_10000_rows() -> None:
    rows = np.concatenate((traffic(1500), attacks(700)))
    target = np.repeat([0, 1], [1500, 700])
    forest = RandomForestClassifier(30, max_depth=10, min_samples_leaf=3, random_state=4)
    forest.fit(rows, target)
    expected = forest.predict_proba(np.clip(probes(), -3e38, 3e38))[:, 1]
    np.testing.assert_allclose(
        export_random_forest(forest.estimators_).score(probes()), expected, rtol=0, atol=1e-6
    )


def test_the_forest_that_is_grown_votes_as_its_trees_of_scikit_learn_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grown: list[Any] = []
    fit = DecisionTreeClassifier.fit

    def keep(tree: Any, *given: Any, **named: Any) -> Any:
        grown.append(fit(tree, *given, **named).tree_)
        return tree

    monkeypatch.setattr(DecisionTreeClassifier, "fit", keep)
    detector = fit_random_forest(traffic(900), attacks(400), trees=12, seed=3)
    rows = probes().astype(np.float32)
    votes = [tree.predict(rows) for tree in grown]
    expected = np.mean([vote[:, 1] / vote.sum(axis=1) for vote in votes], axis=0)
    assert len(grown) == 12
    np.testing.assert_allclose(detector.score(rows), expected, rtol=0, atol=1e-6)


def test_attacks_score_higher_than_legitimate_rows() -> None:
    far = (traffic(300) + np.float32(50.0)).astype(np.float32)
    detector = fit_random_forest(traffic(900), far, trees=20, seed=3)
    assert detector.score(traffic(100, seed=8)).max() < detector.floor
    assert detector.score(traffic(100, seed=8) + 50.0).min() > detector.floor


def test_either_class_is_shown_as_often_however_few_its_rows_are() -> None:
    # Nothing tells the classes apart: a forest that saw them as they come would say one in ten.
    same = np.ones((900, WIDTH), np.float32)
    detector = fit_random_forest(same, same[:100], trees=3, seed=1)
    assert detector.score(same[:1]).tolist() == [0.5]


def test_the_seed_decides_the_random_forest() -> None:
    one, same, other = (
        fit_random_forest(traffic(500), attacks(200), trees=5, seed=seed).score(probes())
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("share", [-0.01, 1.01])
def test_a_leaf_that_holds_no_share_is_refused(share: float) -> None:
    with pytest.raises(ModelError, match="shares of attacks"):
        leaf(share)


def test_a_blend_is_the_weighted_mean_of_both_on_10000_rows() -> None:
    unusual = fit_isolation_forest(traffic(1000), trees=30, seed=4)
    attack = fit_random_forest(traffic(1000), attacks(500), trees=20, seed=4)
    low, high = 0.45, 0.7
    blend = BlendDetector(unusual, attack, (low, high))
    spread = np.clip((unusual.score(probes()) - low) / (high - low), 0.0, 1.0)
    expected = UNUSUAL * spread + (1.0 - UNUSUAL) * attack.score(probes())
    assert spread.min() == 0.0
    assert spread.max() == 1.0
    np.testing.assert_allclose(blend.score(probes()), expected, rtol=0, atol=1e-6)


def test_a_blends_span_is_from_the_sites_median_to_its_most_unusual_row() -> None:
    rows = np.abs(np.random.default_rng(2).normal(size=(200, len(FEATURE_NAMES)))).astype(
        np.float32
    )
    blend = fit_detector(TrainingSet("blend", rows, 1, routes={"/": 1.0}))
    assert isinstance(blend, BlendDetector)
    scores = fit_isolation_forest(rows, seed=1).score(rows)
    assert blend.span == (np.median(scores), max(scores.max(), np.median(scores) + 0.05))


def test_rows_that_are_all_alike_still_have_a_span() -> None:
    rows = np.ones((40, len(FEATURE_NAMES)), np.float32)
    blend = fit_detector(TrainingSet("blend", rows, 1))
    assert isinstance(blend, BlendDetector)
    low, high = blend.span
    assert high == pytest.approx(low + 0.05)


@pytest.mark.parametrize("span", [(0.5, 0.5), (0.6, 0.4), (-0.1, 0.5), (0.1, 2.1)])
def test_a_span_that_does_not_rise_within_its_range_is_refused(span: tuple[float, float]) -> None:
    unusual = fit_isolation_forest(traffic(20)[:, :2], trees=2, seed=1)
    with pytest.raises(ModelError, match="span"):
        BlendDetector(unusual, leaf(0.5), span)


@pytest.mark.parametrize("span", [[0.1, np.nan], [np.inf, 1.0], [0.1], [[0.1, 0.5]]])
def test_a_stored_span_that_is_no_pair_of_numbers_is_refused(span: Any) -> None:
    unusual = fit_isolation_forest(traffic(20)[:, :2], trees=2, seed=1)
    arrays = BlendDetector(unusual, leaf(0.5), (0.1, 0.5)).to_arrays()
    with pytest.raises(ModelError, match="span"):
        BlendDetector.from_arrays({**arrays, "span": np.array(span)})


def test_forests_over_other_features_make_no_blend() -> None:
    unusual = fit_isolation_forest(traffic(20), trees=2, seed=1)
    with pytest.raises(ModelError, match="12 and 2 features"):
        BlendDetector(unusual, leaf(0.5), (0.1, 0.5))


@given(st.data())
def test_damaged_arrays_are_refused_or_still_score(data: st.DataObject) -> None:
    unusual = fit_isolation_forest(traffic(40)[:, :2], trees=2, max_samples=8, seed=0)
    whole = BlendDetector(unusual, leaf(0.5), (0.1, 0.5))
    arrays = {name: array.copy() for name, array in whole.to_arrays().items()}
    numbers = sorted(name for name in arrays if not name.endswith("n_features"))
    array = arrays[data.draw(st.sampled_from(numbers))]
    array[data.draw(st.integers(0, array.size - 1))] = data.draw(hnp.from_dtype(array.dtype))
    try:
        damaged = BlendDetector.from_arrays(arrays)
    except ModelError:
        return
    scores = damaged.score(np.zeros((3, 2), np.float32))
    assert np.all((scores >= 0.0) & (scores <= 1.0))


def test_an_unknown_kind_of_detector_is_not_trained() -> None:
    with pytest.raises(ValueError, match="isolation_forest, random_forest, blend, not 'oracle'"):
        fit_detector(TrainingSet("oracle", traffic(20), 1))


def test_rows_that_are_not_normal_are_not_learned_as_legitimate() -> None:
    # A heavy regular looks just like the known attack; with its rows as legitimate ones, the
    # forest couldn't tell.
    usual = np.abs(np.random.default_rng(2).normal(size=(200, len(FEATURE_NAMES)))).astype(
        np.float32
    )
    heavy = usual[:100] + np.float32(1000.0)
    rows = np.concatenate((usual, heavy))
    normal = np.arange(300) < 200
    probe = usual[100:] + np.float32(1000.0)
    told, untold = (
        fit_detector(TrainingSet("random_forest", rows, 1, mask, heavy)).score(probe).mean()
        for mask in (normal, np.ones(300, dtype=bool))
    )
    assert told > 0.8
    assert untold < told - 0.2


def test_known_abusers_are_learned_as_attacks() -> None:
    usual = np.abs(np.random.default_rng(2).normal(size=(200, len(FEATURE_NAMES)))).astype(
        np.float32
    )
    odd = usual[:20].copy()
    odd[:, 15] += np.float32(40.0)
    without, known = (
        fit_detector(TrainingSet("random_forest", usual, 1, attacks=rows)).score(odd).mean()
        for rows in (usual[:0], odd)
    )
    assert without < 0.5 < known
