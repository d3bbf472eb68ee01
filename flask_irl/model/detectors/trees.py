"""Walk ensembles of binary trees in flat arrays, by numpy, for all trees and rows at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.detectors.base import Rows, clean_rows

MAX_DEPTH = 64
LEAF = -1

# Cells (rows x trees) walked together: large enough to hide numpy's overhead, small enough for the
# working arrays to stay in a core's cache.
_CELLS = 16_384


@dataclass(frozen=True, eq=False)
class FlatTrees:
    """Hold binary trees; a row goes to the left child where ``row[feature] <= threshold``.

    All arrays but ``roots`` have one entry per node. They are copied, but for views of bytes, which
    nobody changes. Node numbers are positions in the arrays, across all trees. A leaf has the
    feature -1 and is its own child on both sides. Children come after their parent, and each node
    but the roots is the child of exactly one.

    Args:
        n_features: Width of a row.
        feature: int16 or int32; -1 at leaves, else 0 to ``n_features`` - 1.
        threshold: float64, finite.
        left: int32, number of the child for values up to the threshold.
        right: int32, number of the child for greater values.
        value: float64, finite; the values of leaves.
        roots: int32, one per tree.

    Raises:
        ModelError: The arrays don't form such trees, or a tree is deeper than 64 levels.
    """

    n_features: int
    feature: NDArray[Any]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    roots: NDArray[np.int32]
    max_depth: int = field(init=False)
    _walk: tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.intp], NDArray[np.float64]] = (
        field(init=False, repr=False)
    )

    def __post_init__(self) -> None:
        for name, allowed in _DTYPES.items():
            given = getattr(self, name)
            array = given if _is_of_bytes(given) else np.array(given, order="C")
            if array.dtype.name not in allowed or array.ndim != 1:
                raise ModelError(
                    f"{name} must be one-dimensional {' or '.join(allowed)}, "
                    f"not {array.ndim}-dimensional {array.dtype}"
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        _check_nodes(self)
        levels = levels_of(self.feature, self.left, self.right, self.roots)
        object.__setattr__(self, "max_depth", len(levels) - 1)
        object.__setattr__(self, "_walk", _walking_order(self, np.concatenate(levels)))

    @property
    def n_trees(self) -> int:
        """Give the number of trees."""
        return len(self.roots)

    def leaf_sum(self, rows: Rows) -> NDArray[np.float64]:
        """Sum the values of the leaves that each row reaches, over all trees.

        Args:
            rows: Shape (n, n_features); see :func:`flask_irl.model.detectors.base.clean_rows`.
                They are compared as float32, as scikit-learn does.

        Returns:
            Shape (n,). Working memory doesn't grow with n.

        Raises:
            ValueError: The rows have another shape.
        """
        clean = clean_rows(rows, self.n_features)
        step = max(1, _CELLS // self.n_trees)
        if len(clean) <= step:
            return self._sum_chunk(clean)
        sums = np.empty(len(clean))
        for start in range(0, len(clean), step):
            sums[start : start + step] = self._sum_chunk(clean[start : start + step])
        return sums

    def _sum_chunk(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        feature, threshold, left, value = self._walk
        cells = rows.ravel()
        node = np.tile(np.arange(self.n_trees), len(rows))
        row_start = np.repeat(np.arange(0, cells.size, self.n_features), self.n_trees)
        # Leaves lead to themselves, so every walk may take as many steps as the longest.
        for _ in range(self.max_depth):
            cell = feature[node]
            if len(rows) > 1:
                cell += row_start
            node = left[node] + (cells[cell] > threshold[node])
        sums: NDArray[np.float64] = value[node].reshape(len(rows), self.n_trees).sum(axis=1)
        return sums

    def renewed(self, newer: FlatTrees) -> FlatTrees:
        """Put newer trees in the place of as many old ones, the first of these; order is age.

        Args:
            newer: Trees over the same features, no more than there are here.

        Raises:
            ModelError: They are more, or over another number of features.
        """
        if newer.n_features != self.n_features or newer.n_trees > self.n_trees:
            raise ModelError(
                f"{newer.n_trees} trees over {newer.n_features} features can't replace some of "
                f"{self.n_trees} over {self.n_features}"
            )
        tree = np.empty(len(self.feature), dtype=np.intp)
        tree[self.roots] = np.arange(self.n_trees)
        for level in levels_of(self.feature, self.left, self.right, self.roots):
            inner = level[self.feature[level] != LEAF]
            tree[self.left[inner]] = tree[self.right[inner]] = tree[inner]
        kept = tree >= newer.n_trees
        number = np.cumsum(kept, dtype=np.int32) - 1
        shift = np.int32(kept.sum())
        old = self.to_arrays()
        joined = {
            "left": (number[self.left[kept]], newer.left + shift),
            "right": (number[self.right[kept]], newer.right + shift),
            "roots": (number[self.roots[newer.n_trees :]], newer.roots + shift),
            **{name: (old[name][kept], getattr(newer, name)) for name in _OF_NODES},
        }
        arrays = {name: np.concatenate(parts) for name, parts in joined.items()}
        return FlatTrees.from_arrays(self.n_features, arrays)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the arrays, under the names of the arguments."""
        return {name: getattr(self, name) for name in ARRAY_NAMES}

    @classmethod
    def from_arrays(cls, n_features: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make trees of the arrays that :meth:`to_arrays` gave; other names are left alone."""
        return cls(n_features, **{name: arrays[name] for name in ARRAY_NAMES})


_DTYPES = {
    "feature": ("int16", "int32"),
    "threshold": ("float64",),
    "left": ("int32",),
    "right": ("int32",),
    "value": ("float64",),
    "roots": ("int32",),
}
ARRAY_NAMES = tuple(_DTYPES)
_OF_NODES = ("feature", "threshold", "value")


def _is_of_bytes(array: object) -> bool:
    """Tell whether an array is a view of bytes, as those of a container are."""
    return (
        isinstance(array, np.ndarray) and array.flags.c_contiguous and isinstance(array.base, bytes)
    )


def _check_nodes(trees: FlatTrees) -> None:
    if trees.n_features < 1:
        raise ModelError(f"trees need at least one feature, not {trees.n_features}")
    count = len(trees.feature)
    lengths = {name: len(getattr(trees, name)) for name in ARRAY_NAMES if name != "roots"}
    if not len(trees.roots) or set(lengths.values()) != {count}:
        raise ModelError(
            f"trees need a root and node arrays of one length, "
            f"not {len(trees.roots)} roots and {lengths}"
        )
    number = np.arange(count)
    leaf = trees.feature == LEAF
    _require(leaf | ((trees.feature >= 0) & (trees.feature < trees.n_features)), "feature", trees)
    _require(np.isfinite(trees.threshold), "threshold", trees)
    _require(np.isfinite(trees.value), "value", trees)
    for name, child in (("left", trees.left), ("right", trees.right)):
        # Growing numbers leave no room for a cycle.
        good = np.where(leaf, child == number, (child > number) & (child < count))
        _require(good, name, trees)
    if trees.roots.min() < 0 or trees.roots.max() >= count:
        raise ModelError(f"roots must be from 0 to {count - 1}, not {trees.roots.tolist()!r:.100}")
    parents = np.bincount(
        np.concatenate((trees.left[~leaf], trees.right[~leaf], trees.roots)), minlength=count
    )
    if (parents != 1).any():
        node = int(np.argmax(parents != 1))
        raise ModelError(f"node {node} of the trees has {parents[node]} parents instead of one")


def _require(good: NDArray[np.bool_], name: str, trees: FlatTrees) -> None:
    if not good.all():
        node = int(np.argmin(good))
        raise ModelError(
            f"{name} of node {node} is {getattr(trees, name)[node]}, out of range for "
            f"{len(good)} nodes and {trees.n_features} features"
        )


def levels_of(
    feature: NDArray[Any], left: NDArray[Any], right: NDArray[Any], roots: NDArray[Any]
) -> list[NDArray[np.intp]]:
    """List the nodes of depth 0, 1, ... by number; brothers side by side, the left one first.

    Args:
        feature: As for :class:`FlatTrees`, like the others; they must form trees.

    Raises:
        ModelError: A tree is deeper than 64 levels.
    """
    levels: list[NDArray[np.intp]] = []
    level = roots.astype(np.intp)
    while level.size:
        if len(levels) > MAX_DEPTH:
            raise ModelError(f"a tree is deeper than {MAX_DEPTH} levels")
        levels.append(level)
        inner = level[feature[level] != LEAF]
        level = np.stack((left[inner], right[inner]), axis=1).ravel().astype(np.intp)
    return levels


def _walking_order(
    trees: FlatTrees, order: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.intp], NDArray[np.float64]]:
    """Renumber the nodes level by level: brothers become neighbours, roots 0 to n_trees - 1.

    Then one step down is ``left + (x > threshold)``, without a choice between two arrays.
    """
    renumbered = np.empty_like(order)
    renumbered[order] = np.arange(len(order))
    leaf = trees.feature[order] == LEAF
    # x is a float32, so it can be compared with the greatest float32 up to the threshold: the
    # outcome is the same, at half the memory traffic.
    exact = trees.threshold[order]
    with np.errstate(over="ignore"):
        threshold = exact.astype(np.float32)
    too_high = threshold > exact
    threshold[too_high] = np.nextafter(threshold[too_high], np.float32(-np.inf))
    threshold[leaf] = np.inf
    feature = np.where(leaf, 0, trees.feature[order]).astype(np.intp)
    walk = feature, threshold, renumbered[trees.left[order]], trees.value[order]
    for array in walk:
        array.setflags(write=False)
    return walk
