"""Export scikit-learn's fitted trees to flat arrays, by their public attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_irl.model.detectors import IsolationForestDetector, RandomForestDetector
from flask_irl.model.detectors.isolation_forest import average_path_length
from flask_irl.model.detectors.trees import LEAF, FlatTrees, levels_of


def export_isolation_forest(forest: Any) -> IsolationForestDetector:
    """Turn a fitted ``sklearn.ensemble.IsolationForest`` into a detector with the same scores.

    Args:
        forest: Fitted on dense rows; ``max_features`` below 1 is allowed, ``contamination`` is of
            no account.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    nodes = _nodes(trees, forest.estimators_features_)
    # A path: the cuts down to the leaf, and those that would part the rows left in it.
    paths = average_path_length(_joined(trees, "n_node_samples"))
    for depth, level in enumerate(levels_of(**nodes)):
        paths[level] += depth
    flat = _flat_trees(trees, nodes, forest.n_features_in_, paths)
    return IsolationForestDetector(flat, forest.max_samples_)


def export_random_forest(estimators: Sequence[Any]) -> RandomForestDetector:
    """Turn fitted trees into a detector of the mean of their probabilities of the second class.

    Args:
        estimators: Each a ``sklearn.tree.DecisionTreeClassifier``, fitted on dense rows of two
            classes; at least one.
    """
    trees = [estimator.tree_ for estimator in estimators]
    width = estimators[0].n_features_in_
    weights = np.concatenate([tree.value[:, 0, :] for tree in trees])
    shares = weights[:, 1] / weights.sum(axis=1)
    nodes = _nodes(trees, [np.arange(width)] * len(trees))
    return RandomForestDetector(_flat_trees(trees, nodes, width, shares))


def _nodes(trees: Sequence[Any], columns: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Lay the nodes of all trees out flat; ``columns`` are the features that each tree sees."""
    counts = np.array([tree.node_count for tree in trees])
    roots = _starts(counts)
    number, offset = np.arange(counts.sum()), np.repeat(roots, counts)
    left, right, seen = (
        _joined(trees, name) for name in ("children_left", "children_right", "feature")
    )
    leaf = left < 0
    first = np.repeat(_starts(np.array([len(those) for those in columns])), counts)
    feature = np.concatenate(columns)[first + np.where(leaf, 0, seen)]
    return {
        "feature": np.where(leaf, LEAF, feature),
        "left": np.where(leaf, number, left + offset),
        "right": np.where(leaf, number, right + offset),
        "roots": roots,
    }


def _flat_trees(
    trees: Sequence[Any],
    nodes: dict[str, NDArray[Any]],
    n_features: int,
    value: NDArray[np.float64],
) -> FlatTrees:
    leaf = nodes["feature"] == LEAF
    return FlatTrees(
        n_features=n_features,
        feature=nodes["feature"].astype(np.int16 if n_features < 2**15 else np.int32),
        threshold=np.where(leaf, 0.0, _joined(trees, "threshold")),
        left=nodes["left"].astype(np.int32),
        right=nodes["right"].astype(np.int32),
        value=np.where(leaf, value, 0.0),
        roots=nodes["roots"].astype(np.int32),
    )


def _joined(trees: Sequence[Any], name: str) -> NDArray[Any]:
    return np.concatenate([getattr(tree, name) for tree in trees])


def _starts(lengths: NDArray[Any]) -> NDArray[Any]:
    """Give the place where each of several joined pieces starts."""
    starts: NDArray[Any] = np.cumsum(lengths) - lengths
    return starts
