"""What a model is trained and judged on: which rows of a site count for what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.rows import Rows
from flask_irl.model.calibration import Calibration
from flask_irl.model.detectors import Detector
from flask_irl.training import child as fit
from flask_irl.training.forests import fit_detector

FEW_ROWS: Final = 200
"""Below, rows are too few to hold some back: they calibrate and pass the gate in-sample."""
FEWEST_SAMPLES: Final = 32
GATE_RECENT: Final = 0.15
FEW_NEWCOMERS: Final = 100
"""Rows of clients that are no regulars; with fewer, the regulars count as well."""


@dataclass(frozen=True, eq=False, slots=True)
class Lesson:
    """What a detector is trained on.

    Attributes:
        kind: Of the detector.
        rows: Features of the site's own traffic.
        normal: Which of them a supervised detector learns as legitimate.
        attacks: Features of clients that operators have called abusers.
        routes: The site's routes and their shares.
        seed: The same lesson gives the same detector.
    """

    kind: str
    rows: NDArray[np.float32]
    normal: NDArray[np.bool_]
    attacks: NDArray[np.float32]
    routes: Mapping[str, float]
    seed: int


Fit = Callable[[Lesson], Detector]


def fit_in_child(lesson: Lesson) -> Detector:
    """Train in a child process: no web worker loads scikit-learn."""
    return fit.fit_in_child(**_arguments(lesson))


def fit_here(lesson: Lesson) -> Detector:
    """Train in this process: for programs that serve nobody meanwhile."""
    return fit_detector(**_arguments(lesson))


def _arguments(lesson: Lesson) -> dict[str, Any]:
    return {name: getattr(lesson, name) for name in Lesson.__slots__}


def newcomers(rows: Rows) -> NDArray[np.bool_]:
    """Which rows are of clients that are no regulars: those are judged by their own past.

    Heavy regulars would otherwise hold the threshold up for everybody.
    """
    regulars = np.unique(rows["client"][rows["regular"] != 0])
    found: NDArray[np.bool_] = ~np.isin(rows["client"], regulars)
    return found if found.sum() >= FEW_NEWCOMERS else np.ones(len(rows), dtype=bool)


def parts(rows: Rows, normal: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows to fit on, and rows of other clients, no regulars, held back for calibration."""
    held = rows["client"] % 4 == 0
    every = np.ones(len(rows), dtype=bool)
    if len(rows) < FEW_ROWS or (held & normal).sum() < FEWEST_SAMPLES or held.all():
        return every, normal
    return ~held, held & normal


def samples(rows: Rows) -> NDArray[np.float32]:
    """The features to fit on, repeated where they are too few to grow a tree."""
    features: NDArray[np.float32] = np.ascontiguousarray(rows["features"])
    return np.tile(features, (_times(len(features)), 1))


def samples_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask of rows, repeated as they are."""
    return np.tile(mask, _times(len(mask)))


def _times(rows: int) -> int:
    return max(1, -(-FEWEST_SAMPLES // rows))


def flagged(
    detector: Detector, calibration: Calibration, rows: Rows, threshold: float
) -> tuple[int, int]:
    """How many clients of the most recent rows the candidate would flag, and of how many."""
    recent = rows[-max(FEWEST_SAMPLES, int(len(rows) * GATE_RECENT)) :]
    scores = calibration.apply(detector.score(np.ascontiguousarray(recent["features"])))
    odd = np.unique(recent["client"][scores < threshold])
    return len(odd), len(np.unique(recent["client"]))
