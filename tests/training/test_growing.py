"""Test trees grown by numpy alone against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from flask_irl.errors import ModelError
from flask_irl.model.detectors import IsolationForestDetector, RandomForestDetector
from flask_irl.model.detectors.isolation_forest import average_path_length
from flask_irl.model.detectors.trees import LEAF, FlatTrees
from flask_irl.training.forests import fit_isolation_forest, fit_random_forest
from flask_irl.training.growing import grow_class_trees, grow_isolation_trees

WIDTH = 8


def traffic(count: int, seed: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Make rows with a constant and a discrete feature among heavy-tailed ones."""
    random = np.random.default_rng(seed)
    rows = random.lognormal(0.0, scale, size=(count, WIDTH))
    rows[:, 3] = 7.0
    rows[:, 4] = random.integers(0, 3, count)
    return rows.astype(np.float32)


def isolation_trees(trees: int, seed: int, rows: int = 256) -> FlatTrees:
    samples = np.stack([traffic(rows, 100 * seed + tree) for tree in range(trees)])
    return grow_isolation_trees(samples, np.random.default_rng(seed))


def test_isolation_trees_score_like_scikit_learns() -> None:
    probes = np.concatenate((traffic(2000, 8), traffic(500, 9, 2.0)))
    own = IsolationForestDetector(isolation_trees(100, 1), 256).score(probes)
    theirs = fit_isolation_forest(traffic(5000, 7), seed=1).score(probes)
    assert np.corrcoef(own, theirs)[0, 1] > 0.97
    assert abs(own.mean() - theirs.mean()) < 0.02


def test_trees_of_two_classes_score_like_scikit_learns() -> None:
    legitimate, attacks = traffic(3000, 7), traffic(3000, 8, 1.6)
    probes = np.concatenate((traffic(500, 9), traffic(500, 10, 1.6)))
    random = np.random.default_rng(1)
    samples = np.stack(
        [
            np.concatenate(
                [rows[random.integers(3000, size=500)] for rows in (legitimate, attacks)]
            )
            for _ in range(40)
        ]
    )
    classes = np.tile(np.repeat([0.0, 1.0], 500), (40, 1))
    trees = grow_class_trees(samples, classes, random, depth=10, features=2, least=3)
    own = RandomForestDetector(trees).score(probes)
    theirs = fit_random_forest(legitimate, attacks, seed=1).score(probes)
    assert np.corrcoef(own, theirs)[0, 1] > 0.95
    assert abs(own.mean() - theirs.mean()) < 0.02


@pytest.mark.parametrize("least", [1, 3, 40])
def test_a_tree_that_looks_at_all_features_is_scikit_learns(least: int) -> None:
    rows = traffic(400, 1)
    classes = (rows[:, 0] * rows[:, 1] + rows[:, 4] > 1.5).astype(np.float64)
    tree = DecisionTreeClassifier(max_depth=3, min_samples_leaf=least, random_state=0)
    expected = tree.fit(rows, classes).predict_proba(traffic(2000, 2))[:, 1]
    grown = grow_class_trees(
        rows[None], classes[None], np.random.default_rng(0), depth=3, features=WIDTH, least=least
    )
    np.testing.assert_allclose(grown.leaf_sum(traffic(2000, 2)), expected)


def test_a_path_is_the_depth_and_what_would_part_the_rest() -> None:
    rows = np.array([[[0.0], [0.0], [0.0], [9.0]]], dtype=np.float32)
    trees = grow_isolation_trees(rows, np.random.default_rng(1))
    three = 1.0 + float(average_path_length(np.array([3]))[0])
    assert trees.leaf_sum(np.array([[0.0], [9.0]])).tolist() == [three, 1.0]


def test_no_isolation_tree_is_deeper_than_needed() -> None:
    assert isolation_trees(5, 1).max_depth == 8
    assert isolation_trees(5, 1, rows=2).max_depth == 1


@pytest.mark.parametrize("classes", [[0.0] * 6, [1.0] * 6, [0.0, 1.0] * 3])
def test_rows_that_are_all_alike_make_a_leaf(classes: list[float]) -> None:
    rows = np.ones((1, 6, WIDTH), dtype=np.float32)
    random = np.random.default_rng(1)
    assert grow_isolation_trees(rows, random).feature.tolist() == [LEAF]
    trees = grow_class_trees(rows, np.array([classes]), random, depth=4, features=2, least=1)
    assert (trees.feature.tolist(), trees.value.tolist()) == ([LEAF], [np.mean(classes)])


def test_values_between_which_no_float_lies_are_parted_all_the_same() -> None:
    low = np.float32(1e30)
    high = np.nextafter(low, np.float32(np.inf))
    rows = np.array([[[low], [high]]], dtype=np.float32)
    random = np.random.default_rng(1)
    trees = grow_class_trees(rows, np.array([[0.0, 1.0]]), random, depth=4, features=1, least=1)
    assert trees.leaf_sum(rows[0]).tolist() == [0.0, 1.0]


def test_newer_trees_take_the_place_of_the_oldest() -> None:
    first, second, third = (isolation_trees(10, seed) for seed in (1, 2, 3))
    both = isolation_trees(20, 4).renewed(first).renewed(second)
    probes = traffic(300, 5)
    np.testing.assert_allclose(
        both.leaf_sum(probes), first.leaf_sum(probes) + second.leaf_sum(probes)
    )
    later = both.renewed(third).leaf_sum(probes)
    np.testing.assert_allclose(later, second.leaf_sum(probes) + third.leaf_sum(probes))


def test_trees_that_lie_one_behind_the_other_are_renewed_as_well() -> None:
    old = fit_isolation_forest(traffic(900, 1), trees=10, seed=1).trees
    newer = isolation_trees(10, 2)
    probes = traffic(300, 5)
    some = old.renewed(isolation_trees(4, 3))
    assert some.n_trees == 10
    np.testing.assert_allclose(some.renewed(newer).leaf_sum(probes), newer.leaf_sum(probes))


def test_trees_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        ModelError, match="11 trees over 8 features can't replace some of 10 over 8"
    ):
        isolation_trees(10, 1).renewed(isolation_trees(11, 2))
    narrow = grow_isolation_trees(traffic(50, 1)[None, :, :3], np.random.default_rng(1))
    with pytest.raises(ModelError, match="over 3 features"):
        isolation_trees(10, 1).renewed(narrow)
