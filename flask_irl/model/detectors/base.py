"""Define the protocol of detectors, and clean the rows of features that they score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError

Rows = NDArray[np.float32] | NDArray[np.float64]
"""Rows of features, one client each, of shape (n, n_features)."""

LARGEST = float(np.finfo(np.float32).max)
"""Features beyond plus or minus this value, infinities included, count as this value."""


@runtime_checkable
class Detector(Protocol):
    """Score how anomalous rows of features are; immutable, safe to share between threads."""

    @property
    def kind(self) -> str:
        """Name the kind, by which ``detector_from`` finds the class."""

    @property
    def floor(self) -> float:
        """Give the raw score, 0 to 1, below which no row is anomalous on any site."""

    @property
    def n_features(self) -> int:
        """Give the number of features of a row."""

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """Score how anomalous each row is.

        Args:
            rows: Shape (n, n_features), n may be 0. NaN counts as 0, infinities and numbers
                beyond float32 as the nearest finite float32. Not changed.

        Returns:
            Shape (n,), each finite and from 0 to 1, higher for more anomalous rows. A row's score
            doesn't depend on the rows beside it.

        Raises:
            ValueError: The rows have another shape.
        """

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the arrays of which :meth:`from_arrays` makes an equal detector."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make a detector of the arrays that :meth:`to_arrays` of another one gave.

        Raises:
            ModelError: The arrays are inconsistent, missing or superfluous.
        """


def clean_rows(rows: Rows, n_features: int) -> NDArray[np.float32]:
    """Copy rows to C-contiguous finite float32, as scikit-learn's trees compare them.

    Args:
        rows: Shape (n, n_features); NaN becomes 0, what float32 can't hold the nearest it can.
        n_features: Width that the rows must have.

    Raises:
        ValueError: The rows are not two-dimensional or of another width; names both.
    """
    values = np.asarray(rows)
    if values.ndim != 2 or values.shape[1] != n_features:
        raise ValueError(
            f"rows of shape {values.shape} came, but the detector knows {n_features} features: "
            f"expected shape (n, {n_features})"
        )
    with np.errstate(invalid="ignore"):  # signalling NaN
        clipped = np.minimum(np.maximum(values, -LARGEST), LARGEST)
        clean: NDArray[np.float32] = clipped.astype(np.float32, order="C")
    missing = np.isnan(clean)
    if missing.any():
        clean[missing] = 0.0
    return clean


def check_names(kind: str, arrays: Mapping[str, NDArray[Any]], expected: frozenset[str]) -> None:
    """Raise :class:`ModelError` unless ``arrays`` has exactly the ``expected`` names."""
    if set(arrays) != expected:
        raise ModelError(
            f"a detector of kind {kind!r} is made of the arrays {sorted(expected)}, "
            f"not of {sorted(arrays)}"
        )


def whole_number(name: str, array: NDArray[Any], *, low: int, high: int) -> int:
    """Read an array that holds one integer of ``low`` to ``high``; else :class:`ModelError`."""
    if array.shape != (1,) or array.dtype != np.int64 or not low <= int(array[0]) <= high:
        raise ModelError(
            f"{name} must be one int64 from {low} to {high}, "
            f"not {array.dtype} {array.tolist()!r:.100}"
        )
    return int(array[0])
