"""Blend two forests: one scores the unusual, one the likeness to attacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.detectors.base import Detector, Rows, check_names
from flask_irl.model.detectors.isolation_forest import IsolationForestDetector
from flask_irl.model.detectors.random_forest import RandomForestDetector

UNUSUAL: Final = 0.3
"""Share of the Isolation Forest in the blend; the rest is the Random Forest's."""
_PREFIXES: Final = ("unusual.", "attack.")


@dataclass(frozen=True, eq=False)
class BlendDetector:
    """Score by the weighted mean of an Isolation Forest's score, spread out, and a Random Forest's.

    The Isolation Forest scores any behaviour that is unusual on the site; the Random Forest the
    likeness to simple attacks there. An Isolation Forest's scores lie close together, so the
    span from the site's median to beyond its most unusual row is stretched to 0 to 1.

    Args:
        unusual: The Isolation Forest.
        attack: The Random Forest, over the same features.
        span: The scores of the former that become 0 and 1, the second greater than the first.

    Raises:
        ModelError: The forests know different numbers of features, or the span is none.
    """

    kind: ClassVar[str] = "blend"
    floor: ClassVar[float] = 0.75
    """As the Random Forest's: the taught attacks are wider than any site's own."""
    unusual: IsolationForestDetector
    attack: RandomForestDetector
    span: tuple[float, float]

    def __post_init__(self) -> None:
        if self.unusual.n_features != self.attack.n_features:
            raise ModelError(
                f"the forests of a blend know {self.unusual.n_features} and "
                f"{self.attack.n_features} features"
            )
        low, high = self.span
        if not 0.0 <= low < high <= 2.0:
            raise ModelError(f"a blend's span must rise from 0 on, not from {low} to {high}")

    @property
    def n_features(self) -> int:
        """Give the number of features of a row."""
        return self.attack.n_features

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """Score how anomalous each row is; see :meth:`Detector.score`."""
        low, high = self.span
        unusual = np.clip((self.unusual.score(rows) - low) / (high - low), 0.0, 1.0)
        blended: NDArray[np.float64] = UNUSUAL * unusual + (1 - UNUSUAL) * self.attack.score(rows)
        return np.clip(blended, 0.0, 1.0)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the detector's arrays; see :meth:`Detector.to_arrays`."""
        arrays = {"span": np.array(self.span, dtype=np.float64)}
        parts: tuple[Detector, ...] = (self.unusual, self.attack)
        for prefix, part in zip(_PREFIXES, parts, strict=True):
            arrays |= {prefix + name: array for name, array in part.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make a detector of arrays; see :meth:`Detector.from_arrays`."""
        unusual, attack = (
            {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            for prefix in _PREFIXES
        )
        unusual_forest = IsolationForestDetector.from_arrays(unusual)
        attack_forest = RandomForestDetector.from_arrays(attack)
        expected = {_PREFIXES[0] + name for name in unusual_forest.to_arrays()}
        expected |= {_PREFIXES[1] + name for name in attack_forest.to_arrays()}
        check_names(cls.kind, arrays, frozenset({*expected, "span"}))
        span = arrays["span"]
        if span.shape != (2,) or span.dtype != np.float64 or not np.isfinite(span).all():
            raise ModelError(f"span must be two finite float64, not {span.dtype} {span.shape}")
        return cls(unusual_forest, attack_forest, (float(span[0]), float(span[1])))
