"""Score with a Random Forest by numpy alone; :mod:`flask_irl.training.forests` grows one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.detectors.base import Rows, check_names, whole_number
from flask_irl.model.detectors.trees import ARRAY_NAMES, LEAF, FlatTrees

_LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True, eq=False)
class RandomForestDetector:
    """Score by the share of attacks among training rows alike (Breiman 2001), 0 to 1.

    Args:
        trees: Leaf values are shares of attacks.

    Raises:
        ModelError: A leaf's value is no share.
    """

    kind: ClassVar[str] = "random_forest"
    floor: ClassVar[float] = 0.75
    """Below, a row looks more like the site's own than like an attack."""
    trees: FlatTrees

    def __post_init__(self) -> None:
        shares = self.trees.value[self.trees.feature == LEAF]
        if shares.min() < 0.0 or shares.max() > 1.0:
            raise ModelError(
                f"the leaves' shares of attacks must be from 0 to 1, "
                f"not from {shares.min()} to {shares.max()}"
            )

    @property
    def n_features(self) -> int:
        """Give the number of features of a row."""
        return self.trees.n_features

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """Score how anomalous each row is; see :meth:`Detector.score`."""
        return np.clip(self.trees.leaf_sum(rows) / self.trees.n_trees, 0.0, 1.0)

    def renewed(self, newer: FlatTrees) -> Self:
        """Replace the oldest trees by newer ones; order is age.

        Raises:
            ModelError: They are too many, or over another number of features.
        """
        return replace(self, trees=self.trees.renewed(newer))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the detector's arrays; see :meth:`Detector.to_arrays`."""
        return {
            **self.trees.to_arrays(),
            "n_features": np.array([self.n_features], dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make a detector of arrays; see :meth:`Detector.from_arrays`."""
        check_names(cls.kind, arrays, frozenset({*ARRAY_NAMES, "n_features"}))
        n_features = whole_number("n_features", arrays["n_features"], low=1, high=_LARGEST_COUNT)
        return cls(FlatTrees.from_arrays(n_features, arrays))
