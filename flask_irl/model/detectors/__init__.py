"""Detect anomalous behaviour: one detector a module, each with the name of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from flask_irl.errors import ModelError
from flask_irl.model.detectors.base import Detector, Rows
from flask_irl.model.detectors.blend import BlendDetector
from flask_irl.model.detectors.isolation_forest import IsolationForestDetector
from flask_irl.model.detectors.null import NullDetector
from flask_irl.model.detectors.random_forest import RandomForestDetector

__all__ = [
    "KINDS",
    "BlendDetector",
    "Detector",
    "IsolationForestDetector",
    "NullDetector",
    "RandomForestDetector",
    "Rows",
    "detector_from",
]

KINDS: Mapping[str, type[Detector]] = {
    detector.kind: detector
    for detector in (NullDetector, IsolationForestDetector, RandomForestDetector, BlendDetector)
}
"""Classes of detectors by kind."""


def detector_from(kind: str, arrays: Mapping[str, NDArray[Any]]) -> Detector:
    """Make the detector of a ``kind`` from the arrays that its ``to_arrays`` gave.

    Raises:
        ModelError: There is no such kind, or the arrays don't make one.
    """
    detector = KINDS.get(kind)
    if detector is None:
        raise ModelError(f"there is no detector of kind {kind!r}; there are {', '.join(KINDS)}")
    return detector.from_arrays(arrays)
