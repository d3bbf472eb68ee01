"""Score with an Isolation Forest by numpy alone; :mod:`flask_irl.training.forests` grows one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.detectors.base import Rows, check_names, whole_number
from flask_irl.model.detectors.trees import ARRAY_NAMES, LEAF, FlatTrees

_LONGEST_PATH = 1000.0  # generous: 64 levels, and c(2**63) is 88
_LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True, eq=False)
class IsolationForestDetector:
    """Score by Liu, Ting and Zhou, "Isolation Forest", ICDM 2008: 2 ** (-E(h(x)) / c(psi)).

    This equals scikit-learn's ``-IsolationForest.score_samples(rows)``. About 0.5 means no distinct
    anomaly; towards 1 a row is isolated by ever fewer cuts.

    Args:
        trees: Leaf values are path lengths h: depth of the leaf plus c(training rows in it).
        max_samples: psi, the number of training rows per tree, at least 1.

    Raises:
        ModelError: A path length is negative or absurdly long, or ``max_samples`` is out of range.
    """

    kind: ClassVar[str] = "isolation_forest"
    floor: ClassVar[float] = 0.5
    """About 0.5 is no distinct anomaly (Liu 2008)."""
    trees: FlatTrees
    max_samples: int
    _longest: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.max_samples <= _LARGEST_COUNT:
            raise ModelError(
                f"max_samples must be from 1 to {_LARGEST_COUNT}, not {self.max_samples}"
            )
        lengths = self.trees.value[self.trees.feature == LEAF]
        if lengths.min() < 0.0 or lengths.max() > _LONGEST_PATH:
            raise ModelError(
                f"path lengths must be from 0 to {_LONGEST_PATH}, "
                f"not from {lengths.min()} to {lengths.max()}"
            )
        mean = float(average_path_length(np.array([self.max_samples]))[0])
        object.__setattr__(self, "_longest", mean * self.trees.n_trees)

    @property
    def n_features(self) -> int:
        """Give the number of features of a row."""
        return self.trees.n_features

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """Score how anomalous each row is; see :meth:`Detector.score`."""
        lengths = self.trees.leaf_sum(rows)
        if self._longest == 0.0:  # trees of one row know nothing; scikit-learn says 0.5 as well
            return np.full(len(lengths), 0.5)
        scores: NDArray[np.float64] = np.exp2(lengths / -self._longest)
        return scores

    def renewed(self, newer: FlatTrees) -> Self:
        """Replace the oldest trees by newer ones, grown on as many rows; order is age.

        Raises:
            ModelError: They are too many, or over another number of features.
        """
        return replace(self, trees=self.trees.renewed(newer))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the detector's arrays; see :meth:`Detector.to_arrays`."""
        return {
            **self.trees.to_arrays(),
            "n_features": np.array([self.n_features], dtype=np.int64),
            "max_samples": np.array([self.max_samples], dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make a detector of arrays; see :meth:`Detector.from_arrays`."""
        check_names(cls.kind, arrays, frozenset({*ARRAY_NAMES, "n_features", "max_samples"}))
        n_features = whole_number("n_features", arrays["n_features"], low=1, high=_LARGEST_COUNT)
        max_samples = whole_number("max_samples", arrays["max_samples"], low=1, high=_LARGEST_COUNT)
        return cls(FlatTrees.from_arrays(n_features, arrays), max_samples)


def average_path_length(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Give c(n) of Liu 2008: mean path length of an unsuccessful search in a tree of n rows.

    Args:
        counts: Numbers n of rows, each at least 0.

    Returns:
        2 (ln(n - 1) + Euler's gamma) - 2 (n - 1) / n for n > 2; 1 for two rows; 0 for one or none.
    """
    n = np.asarray(counts, dtype=np.float64)
    many = np.maximum(n, 3.0)
    length = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.select([n > 2.0, n > 1.0], [length, np.ones_like(n)], default=0.0)
