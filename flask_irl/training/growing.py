"""Grow a few trees by numpy alone, all of them at once and level by level.

scikit-learn's import takes a second of CPU, and ten trees take a tenth of that. The trees are those
that scikit-learn would grow, except for the draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.model.detectors.isolation_forest import average_path_length
from flask_irl.model.detectors.trees import LEAF, FlatTrees

LEAST_STEP: Final = 1e-7
"""Values that lie no further apart are parted by no cut; scikit-learn's number."""


class _Level(NamedTuple):
    """Hold the nodes of one depth, each with its rows, one node's behind the other's.

    Attributes:
        rows: Features, shape (n, n_features).
        marks: One number for each row: its class.
        starts: Place of each node's first row.
        counts: Number of each node's rows, at least 1.
        depth: 0 for the roots.
    """

    rows: NDArray[np.float32]
    marks: NDArray[np.float64]
    starts: NDArray[np.intp]
    counts: NDArray[np.intp]
    depth: int

    @property
    def node(self) -> NDArray[np.intp]:
        """Give the node of each row."""
        return np.repeat(np.arange(len(self.starts)), self.counts)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Give the mean of the marks in each node."""
        return np.asarray(np.add.reduceat(self.marks, self.starts) / self.counts)


class _Cuts(NamedTuple):
    """Hold a cut for each node: the feature, or -1 for none, and the threshold."""

    feature: NDArray[np.intp]
    threshold: NDArray[np.float64]


def grow_isolation_trees(samples: NDArray[np.float32], random: np.random.Generator) -> FlatTrees:
    """Grow isolation trees (Liu 2008): each cut is at a random place of a random feature.

    Args:
        samples: Clean rows of each tree, shape (trees, rows, n_features), at least 2 rows.
        random: Draws the cuts.

    Returns:
        Trees with path lengths as their leaves' values.
    """
    count = samples.shape[1]
    depth = max(1, int(np.ceil(np.log2(count))))

    def cuts(level: _Level) -> _Cuts:
        low, high = _ranges(level)
        keys = np.where(high > low, random.random(low.shape), -1.0)
        feature = keys.argmax(axis=1)
        node = np.arange(len(feature))
        lowest, highest = low[node, feature].astype(float), high[node, feature].astype(float)
        threshold = lowest + random.random(len(feature)) * (highest - lowest)
        threshold = np.where(threshold < highest, threshold, lowest)
        return _Cuts(np.where(keys[node, feature] < 0.0, LEAF, feature), threshold)

    def lengths(level: _Level) -> NDArray[np.float64]:
        return level.depth + average_path_length(level.counts)

    return _grow(samples, np.zeros(samples.shape[:2]), depth, cuts, lengths)


def grow_class_trees(
    samples: NDArray[np.float32],
    classes: NDArray[np.float64],
    random: np.random.Generator,
    *,
    depth: int,
    features: int,
    least: int,
) -> FlatTrees:
    """Grow trees of a Random Forest (Breiman 2001): each cut is the best of some features by Gini.

    Args:
        samples: Clean rows of each tree, shape (trees, rows, n_features).
        classes: 0 or 1 for each row, shape (trees, rows).
        random: Draws the features that are looked at.
        depth: Levels of cuts at most, 1 or more.
        features: Features that are looked at for each cut, 1 to ``n_features``.
        least: Rows that a leaf has at least.

    Returns:
        Trees with the share of the second class as their leaves' values.
    """

    def cuts(level: _Level) -> _Cuts:
        share = level.mean
        low, high = _ranges(level)
        varies = high > low
        keys = random.random(low.shape)
        looked_at = np.argpartition(-keys, features - 1, axis=1)[:, :features]
        # As scikit-learn does: features of one value count, unless all that were drawn are such.
        futile = ~np.take_along_axis(varies, looked_at, axis=1).any(axis=1)
        looked_at[futile, 0] = np.where(varies, keys, -1.0).argmax(axis=1)[futile]
        found = _best_cuts(level, looked_at, least)
        pure = (share == 0.0) | (share == 1.0)
        return found._replace(feature=np.where(pure, LEAF, found.feature))

    return _grow(samples, classes, depth, cuts, lambda level: level.mean)


def _ranges(level: _Level) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the least and the greatest value of each feature in each node."""
    return (
        np.minimum.reduceat(level.rows, level.starts, axis=0),
        np.maximum.reduceat(level.rows, level.starts, axis=0),
    )


def _best_cuts(level: _Level, looked_at: NDArray[np.intp], least: int) -> _Cuts:
    """Find the best cut of each node among the features that are ``looked_at``."""
    nodes, features = looked_at.shape
    node, total = level.node, len(level.rows)
    # One lane for each node and feature: its rows in the order of the feature's values.
    lane = (node[:, None] * features + np.arange(features)).ravel()
    value = np.take_along_axis(level.rows, looked_at[node], axis=1).ravel()
    order = np.lexsort((value, lane))
    value, lane = value[order], lane[order]
    size = np.repeat(level.counts, features)
    start = np.cumsum(size) - size
    ones = np.cumsum(np.repeat(level.marks, features)[order])
    before = np.concatenate(([0.0], ones))[start]
    left = np.arange(total * features) - start[lane] + 1.0
    right = size[lane] - left
    left_ones = ones - before[lane]
    right_ones = (ones[start + size - 1] - before)[lane] - left_ones
    following = np.append(value[1:], value[-1])
    allowed = (left >= least) & (right >= least) & (following > value + LEAST_STEP)
    # The weighted Gini index is least where the children's sums of squares are greatest.
    purity = (left_ones**2 + (left - left_ones) ** 2) / left
    purity += (right_ones**2 + (right - right_ones) ** 2) / np.maximum(right, 1.0)
    purity = np.where(allowed, purity, -1.0)
    most = np.maximum.reduceat(purity, start).reshape(nodes, features)
    chosen = most.argmax(axis=1)
    best = most[np.arange(nodes), chosen]
    winner = np.arange(nodes) * features + chosen
    places = np.flatnonzero((lane == winner[lane // features]) & (purity == best[lane // features]))
    _, first = np.unique(lane[places], return_index=True)
    place = places[first]
    low, high = value[place].astype(float), following[place].astype(float)
    middle = low / 2.0 + high / 2.0
    threshold = np.where(middle < high, middle, low)
    feature = looked_at[np.arange(nodes), chosen]
    return _Cuts(np.where(best < 0.0, LEAF, feature), threshold)


def _grow(
    samples: NDArray[np.float32],
    marks: NDArray[np.float64],
    depth: int,
    cuts: Callable[[_Level], _Cuts],
    values: Callable[[_Level], NDArray[np.float64]],
) -> FlatTrees:
    """Grow one tree on each sample; nodes are numbered by depth, roots first."""
    trees, size, width = samples.shape
    rows, mark = samples.reshape(-1, width), marks.ravel()
    starts = np.arange(trees) * size
    parts: list[dict[str, NDArray[Any]]] = []
    first = 0
    for at in range(depth + 1):
        level = _Level(rows, mark, starts, np.diff(np.append(starts, len(rows))), at)
        nodes = len(starts)
        own = np.arange(first, first + nodes)
        nothing = _Cuts(np.full(nodes, LEAF), np.zeros(nodes))
        feature, threshold = cuts(level) if at < depth else nothing
        leaf = feature == LEAF
        first += nodes
        rank = np.cumsum(~leaf) - 1
        parts.append(
            {
                "feature": feature,
                "threshold": np.where(leaf, 0.0, threshold),
                "left": np.where(leaf, own, first + 2 * rank),
                "right": np.where(leaf, own, first + 2 * rank + 1),
                "value": np.where(leaf, values(level), 0.0),
            }
        )
        if leaf.all():
            break
        node = level.node
        stays = ~leaf[node]
        rows, mark, node = rows[stays], mark[stays], node[stays]
        goes_right = rows[np.arange(len(rows)), feature[node]] > threshold[node]
        child = 2 * rank[node] + goes_right
        order = np.argsort(child, kind="stable")
        rows, mark = rows[order], mark[order]
        starts = np.searchsorted(child[order], np.arange(2 * (~leaf).sum()))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return FlatTrees(
        n_features=width,
        feature=joined["feature"].astype(np.int16 if width < 2**15 else np.int32),
        threshold=joined["threshold"],
        left=joined["left"].astype(np.int32),
        right=joined["right"].astype(np.int32),
        value=joined["value"],
        roots=np.arange(trees, dtype=np.int32),
    )
