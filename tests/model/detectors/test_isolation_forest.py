"""Test the Isolation Forest against scikit-learn's, and the trees that it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from flask_irl.errors import ModelError
from flask_irl.model.detectors import IsolationForestDetector
from flask_irl.model.detectors.isolation_forest import average_path_length
from flask_irl.model.detectors.trees import FlatTrees
from flask_irl.training.export import export_isolation_forest
from flask_irl.training.forests import fit_isolation_forest


def traffic(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Make rows with constant, discrete and heavy-tailed features, a fifth of them twice."""
    random = np.random.default_rng(seed)
    rows = random.lognormal(size=(count, 12))
    rows[:, 3] = 7.0
    rows[:, 4] = random.integers(0, 3, count)
    rows[: count // 5] = rows[count // 5 : 2 * (count // 5)]
    return rows.astype(np.float32)


def probes() -> NDArray[np.float64]:
    """Make 10,000 rows inside and far outside of what :func:`traffic` makes."""
    random = np.random.default_rng(9)
    rows = random.lognormal(sigma=3.0, size=(10_000, 12))
    rows[random.random(10_000) < 0.3] *= -1.0
    rows[:2000] = traffic(2000)
    return rows


def stump_arrays(**changed: Any) -> dict[str, NDArray[Any]]:
    """Make two trees over two features: a stump that asks feature 1, and a mere leaf."""
    arrays: dict[str, NDArray[Any]] = {
        "feature": np.array([1, -1, -1, -1], np.int16),
        "threshold": np.array([0.5, 0.0, 0.0, 0.0]),
        "left": np.array([1, 1, 2, 3], np.int32),
        "right": np.array([2, 1, 2, 3], np.int32),
        "value": np.array([0.0, 10.0, 20.0, 1.0]),
        "roots": np.array([0, 3], np.int32),
    }
    for name, value in changed.items():
        arrays[name] = np.array(value, dtype=arrays[name].dtype)
    return arrays


def test_scores_equal_scikit_learns_on_10000_rows() -> None:
    forest = IsolationForest(random_state=4).fit(traffic(3000))
    scores = fit_isolation_forest(traffic(3000), seed=4).score(probes())
    np.testing.assert_allclose(scores, -forest.score_samples(probes()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("max_features", [1, 0.5, 1.0])
def test_an_exported_forest_scores_as_scikit_learn(max_features: float) -> None:
    forest = IsolationForest(n_estimators=30, max_features=max_features, random_state=5).fit(
        traffic(1000)
    )
    scores = export_isolation_forest(forest).score(probes())
    np.testing.assert_allclose(scores, -forest.score_samples(probes()), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("rows", "samples"), [(2, 256), (3, 256), (100, 256), (300, 2), (300, 3)])
def test_few_rows_or_samples_score_as_scikit_learn(rows: int, samples: int) -> None:
    forest = IsolationForest(n_estimators=20, max_samples=min(rows, samples), random_state=6).fit(
        traffic(rows)
    )
    detector = fit_isolation_forest(traffic(rows), trees=20, max_samples=samples, seed=6)
    expected = -forest.score_samples(probes())
    np.testing.assert_allclose(detector.score(probes()), expected, rtol=0, atol=1e-6)


def test_a_forest_of_one_row_scores_as_scikit_learn() -> None:
    forest = IsolationForest(n_estimators=3, random_state=6).fit(traffic(1))
    scores = export_isolation_forest(forest).score(probes())
    np.testing.assert_array_equal(scores, -forest.score_samples(probes()))


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(2, 40), st.integers(1, 4)),
        elements=st.floats(-10, 10, width=32) | st.sampled_from([0.0, 1.0]),
    ),
    st.integers(0, 2**32 - 1),
)
def test_any_rows_score_as_scikit_learn(rows: NDArray[np.float32], seed: int) -> None:
    forest = IsolationForest(n_estimators=3, max_samples=min(16, len(rows)), random_state=seed).fit(
        rows
    )
    detector = fit_isolation_forest(rows, trees=3, max_samples=16, seed=seed)
    expected = -forest.score_samples(rows)
    np.testing.assert_allclose(detector.score(rows), expected, rtol=0, atol=1e-6)


def test_rows_on_a_threshold_go_left_as_in_scikit_learn() -> None:
    forest = IsolationForest(n_estimators=20, random_state=7).fit(traffic(500))
    detector = export_isolation_forest(forest)
    rows = np.repeat(traffic(1), len(detector.trees.threshold), axis=0).astype(np.float64)
    inner = np.flatnonzero(detector.trees.feature >= 0)
    rows[inner, detector.trees.feature[inner]] = detector.trees.threshold[inner]
    for probe in (rows, np.nextafter(rows, np.inf), np.nextafter(rows, -np.inf)):
        expected = -forest.score_samples(probe)
        np.testing.assert_allclose(detector.score(probe), expected, rtol=0, atol=1e-6)


def test_an_outlier_scores_higher_than_an_inlier() -> None:
    detector = fit_isolation_forest(traffic(1000), seed=1)
    inlier, outlier = detector.score(np.vstack((np.median(traffic(1000), axis=0), [1e4] * 12)))
    assert outlier > 0.7 > 0.5 > inlier


def test_the_seed_decides_the_forest() -> None:
    one, same, other = (
        fit_isolation_forest(traffic(500), seed=seed).score(probes()) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("count", "length"), [(0, 0.0), (1, 0.0), (2, 1.0)])
def test_average_path_length_of_hardly_any_rows(count: int, length: float) -> None:
    assert average_path_length(np.array([count]))[0] == length


def test_average_path_length_of_the_paper() -> None:
    assert average_path_length(np.array([256]))[0] == pytest.approx(10.244770920)


def test_leaves_of_all_trees_are_summed() -> None:
    trees = FlatTrees(2, **stump_arrays())
    rows = np.array([[9.0, 0.4], [9.0, 0.5], [9.0, 0.6]])
    assert trees.leaf_sum(rows).tolist() == [11.0, 11.0, 21.0]
    assert (trees.max_depth, trees.n_trees) == (1, 2)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(width=32, allow_nan=False))
def test_float32_values_compare_with_float64_thresholds_exactly(
    threshold: float, value: float
) -> None:
    trees = FlatTrees(2, **stump_arrays(threshold=[threshold, 0, 0, 0]))
    clipped = np.clip(value, -np.finfo(np.float32).max, np.finfo(np.float32).max)
    expected = 11.0 if clipped <= threshold else 21.0
    assert trees.leaf_sum(np.array([[0.0, value]], np.float32))[0] == expected


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"feature": [2, -1, -1, -1]}, "feature of node 0 is 2"),
        ({"feature": [-2, -1, -1, -1]}, "feature of node 0 is -2"),
        ({"threshold": [np.nan, 0, 0, 0]}, "threshold of node 0 is nan"),
        ({"threshold": [0.5, 0, np.inf, 0]}, "threshold of node 2 is inf"),
        ({"value": [0, 1, np.nan, 1]}, "value of node 2 is nan"),
        ({"left": [-1, 1, 2, 3]}, "left of node 0 is -1"),
        ({"left": [0, 1, 2, 3]}, "left of node 0 is 0"),
        ({"left": [1, 0, 2, 3]}, "left of node 1 is 0"),
        ({"right": [4, 1, 2, 3]}, "right of node 0 is 4"),
        ({"right": [1, 1, 2, 3]}, "node 1 of the trees has 2 parents"),
        ({"right": [3, 1, 2, 3]}, "node 2 of the trees has 0 parents"),
        ({"roots": [0]}, "node 3 of the trees has 0 parents"),
        ({"roots": [0, 3, 3]}, "node 3 of the trees has 2 parents"),
        ({"roots": [0, 4]}, "roots must be from 0 to 3"),
        ({"roots": [-1, 3]}, "roots must be from 0 to 3"),
        ({"roots": []}, "0 roots"),
        ({"value": [0, 1, 2]}, "of one length"),
        ({"value": [[0, 1, 2, 3]]}, "2-dimensional"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        FlatTrees(2, **stump_arrays(**changed))


def test_a_bottomless_tree_is_refused() -> None:
    inner = 65
    number = np.arange(2 * inner + 1, dtype=np.int32)
    with pytest.raises(ModelError, match="deeper than 64"):
        FlatTrees(
            1,
            feature=np.where((number % 2 == 0) & (number < 2 * inner), 0, -1).astype(np.int16),
            threshold=np.zeros(len(number)),
            left=np.where((number % 2 == 0) & (number < 2 * inner), number + 1, number),
            right=np.where((number % 2 == 0) & (number < 2 * inner), number + 2, number),
            value=np.zeros(len(number)),
            roots=np.zeros(1, np.int32),
        )


@given(st.data())
def test_damaged_arrays_are_refused_or_still_score(data: st.DataObject) -> None:
    detector = fit_isolation_forest(traffic(40), trees=2, max_samples=8, seed=0)
    arrays = {name: array.copy() for name, array in detector.to_arrays().items()}
    array = arrays[data.draw(st.sampled_from(sorted(set(arrays) - {"n_features"})))]
    index = data.draw(st.integers(0, array.size - 1))
    array[index] = data.draw(hnp.from_dtype(array.dtype))
    try:
        damaged = IsolationForestDetector.from_arrays(arrays)
    except ModelError:
        return
    scores = damaged.score(np.zeros((3, damaged.n_features), np.float32))
    assert np.all((scores >= 0.0) & (scores <= 1.0))


@pytest.mark.parametrize("value", [-0.1, 1e4, 1e308])
def test_an_absurd_path_length_is_refused(value: float) -> None:
    with pytest.raises(ModelError, match="path lengths"):
        IsolationForestDetector(FlatTrees(2, **stump_arrays(value=[0, value, 1, 1])), 4)


@pytest.mark.parametrize("max_samples", [0, -5, 2**31])
def test_an_absurd_sample_size_is_refused(max_samples: int) -> None:
    with pytest.raises(ModelError, match="max_samples"):
        IsolationForestDetector(FlatTrees(2, **stump_arrays()), max_samples)
