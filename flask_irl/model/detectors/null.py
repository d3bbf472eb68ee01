"""Score every row as normal: in force before there is a model, and a baseline in tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.detectors.base import Rows, check_names, clean_rows, whole_number

_MAX_FEATURES = 2**31 - 1


@dataclass(frozen=True)
class NullDetector:
    """Score every row 0, whatever its ``n_features`` features are."""

    kind: ClassVar[str] = "null"
    floor: ClassVar[float] = 0.5
    n_features: int

    def __post_init__(self) -> None:
        if not 1 <= self.n_features <= _MAX_FEATURES:
            raise ModelError(f"n_features must be from 1 to {_MAX_FEATURES}, not {self.n_features}")

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """Score how anomalous each row is; see :meth:`Detector.score`."""
        return np.zeros(len(clean_rows(rows, self.n_features)))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the detector's arrays; see :meth:`Detector.to_arrays`."""
        return {"n_features": np.array([self.n_features], dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make a detector of arrays; see :meth:`Detector.from_arrays`."""
        check_names(cls.kind, arrays, frozenset({"n_features"}))
        return cls(whole_number("n_features", arrays["n_features"], low=1, high=_MAX_FEATURES))
