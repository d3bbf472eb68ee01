"""From a detector's raw scores to scores that mean the same for every detector and site.

A raw score says nothing about how rare it is: 0.5 from an Isolation Forest is perfectly normal.
Calibrated scores run from 0 (as normal as can be) to -1 (as anomalous as can be), and on the
site's own legitimate traffic about this share is below:

========== ===============
score      share below
========== ===============
-0.1       one half
-0.25      one in ten
-0.4       one in a hundred
-0.5       the chosen rate
========== ===============
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError

THRESHOLD = -0.5
"""Where :func:`calibrate` puts the chosen share of false flags."""

_LEVELS = ((0.5, -0.1), (0.1, -0.25), (0.01, -0.4))
_STEP = 1e-6  # least distance of two knots
_LEAST_SPREAD = 0.01  # a sample that is all alike must not flag the next one that is not
_LEAST_SCALE = 0.02  # of the tail, about that of a forest's scores; for a handful of scores
_MARGIN = 0.005
_FARTHEST = 1e6


@dataclass(frozen=True)
class Calibration:
    """A falling curve through ``knots``, straight between them and level beyond both ends.

    Args:
        knots: At least two pairs (raw, calibrated); raw from -1e6 to 1e6 and strictly increasing,
            calibrated from 0 down to -1 and never increasing.

    Raises:
        ModelError: The knots are not so.
    """

    knots: tuple[tuple[float, float], ...]
    _raw: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    _calibrated: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.knots) < 2:
            raise ModelError(f"a calibration needs at least two knots, not {len(self.knots)}")
        for raw, calibrated in self.knots:
            if not abs(raw) <= _FARTHEST or not -1.0 <= calibrated <= 0.0:
                raise ModelError(
                    f"a knot must be a raw score from -1e6 to 1e6 and a calibrated one from -1 "
                    f"to 0, not ({raw}, {calibrated})"
                )
        for (raw, calibrated), (next_raw, next_calibrated) in pairwise(self.knots):
            if next_raw <= raw or next_calibrated > calibrated:
                raise ModelError(
                    f"knots must rise in the raw score and not in the calibrated one, but "
                    f"({next_raw}, {next_calibrated}) follows ({raw}, {calibrated})"
                )
        table = np.array(self.knots, dtype=np.float64).T
        object.__setattr__(self, "_raw", table[0])
        object.__setattr__(self, "_calibrated", table[1])

    def apply(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrate raw scores.

        Args:
            raw: Raw scores of any shape; NaN counts as normal.

        Returns:
            Calibrated scores of that shape, from -1 to 0; a higher raw score never gets a higher
            calibrated one.
        """
        # Not np.interp: it may overshoot the next knot by a last digit, and a score a hair below
        # the threshold is a flag.
        scores = np.where(np.isnan(raw), self._raw[0], raw)
        start = np.searchsorted(self._raw[1:-1], scores, side="right")
        low, high = self._raw[start], self._raw[start + 1]
        above, below = self._calibrated[start], self._calibrated[start + 1]
        part = (np.clip(scores, low, high) - low) / (high - low)
        calibrated: NDArray[np.float64] = np.maximum(above + part * (below - above), below)
        return calibrated

    def to_list(self) -> list[list[float]]:
        """The knots, for JSON."""
        return [[raw, calibrated] for raw, calibrated in self.knots]

    @classmethod
    def from_list(cls, knots: object) -> Self:
        """Make a calibration of what :meth:`to_list` returned.

        Raises:
            ModelError: That is no list of pairs of numbers, or the knots are wrong.
        """
        if not isinstance(knots, list):
            raise ModelError(f"a calibration must be a list of pairs, not {knots!r:.100}")
        for knot in knots:
            if (
                not isinstance(knot, list)
                or len(knot) != 2
                or not all(type(number) in (int, float) for number in knot)
            ):
                raise ModelError(f"a knot must be a pair of numbers, not {knot!r:.100}")
        return cls(tuple((raw, calibrated) for raw, calibrated in knots))


def calibrate(raw: NDArray[np.float64], false_flag_rate: float) -> Calibration:
    """Choose a calibration by the raw scores of legitimate rows.

    The rows should not be those the detector was trained on, or the scores flatter it.

    Args:
        raw: Shape (n,), n at least 1, each from 0 to 1.
        false_flag_rate: The share of such rows that may score below -0.5, above 0 and below 0.5.

    Returns:
        A calibration under which no more than that share of ``raw`` scores below -0.5. When the
        sample is too small to show that quantile, the threshold lies beyond its greatest score:
        an exponential tail as heavy as that of the upper quarter, and a margin, but at most half
        of the way to 1.

    Raises:
        ValueError: No scores, scores outside 0 to 1, or a rate out of range.
    """
    if not 0.0 < false_flag_rate < 0.5:
        raise ValueError(f"false_flag_rate must be above 0 and below 0.5, not {false_flag_rate}")
    scores = np.sort(np.asarray(raw, dtype=np.float64), axis=None)
    if not scores.size:
        raise ValueError("a calibration needs at least one raw score")
    if not (scores[0] >= 0.0 and scores[-1] <= 1.0):  # NaN sorts to the end
        raise ValueError(f"raw scores must be from 0 to 1, not {scores[0]} to {scores[-1]}")
    knots = [(float(scores[0]), 0.0)]
    for share, calibrated in _LEVELS:
        if share > false_flag_rate:
            knots.append((max(_exceeded_by(scores, share), knots[-1][0] + _STEP), calibrated))
    threshold = max(_threshold(scores, false_flag_rate), knots[-1][0] + _STEP)
    knots.append((threshold, THRESHOLD))
    knots.append((max(1.0, threshold + _STEP), -1.0))
    return Calibration(tuple(knots))


def calibrate_by_impact(
    raw: NDArray[np.float64],
    harmful: NDArray[np.bool_],
    requests: NDArray[np.float64],
    budget: float,
    floor: float = 0.0,
) -> Calibration:
    """Choose the lowest threshold that costs legitimate clients no more than a budget.

    Not a quantile of scores: what counts is how many requests of legitimate clients would be
    refused, and only those of rows with a sign of harm can be.

    Args:
        raw: Raw scores of legitimate rows held back, shape (n,), n at least 1, each from 0 to 1.
        harmful: Which rows have a sign of harm.
        requests: The requests that each row stands for.
        budget: Share of all requests that may be lost, above 0 and below 0.5.
        floor: The lowest threshold, 0 to 1.

    Returns:
        A calibration with -0.5 there, and no lower than where one in a hundred rows scores beyond.

    Raises:
        ValueError: No scores, scores outside 0 to 1, or a budget out of range.
    """
    if not 0.0 < budget < 0.5:
        raise ValueError(f"the budget must be above 0 and below 0.5, not {budget}")
    scores = np.asarray(raw, dtype=np.float64)
    if not scores.size:
        raise ValueError("a calibration needs at least one raw score")
    if not (scores.min() >= 0.0 and scores.max() <= 1.0):
        raise ValueError(f"raw scores must be from 0 to 1, not {scores.min()} to {scores.max()}")
    order = np.argsort(-scores, kind="stable")
    lost = np.cumsum(np.where(harmful, requests, 0.0)[order])
    # The first row, from the highest score down, that the budget has no room for.
    first = int(np.searchsorted(lost, budget * requests.sum(), side="right"))
    dear = float(scores[order[first]]) if first < len(scores) else 0.0
    ordered = np.sort(scores)
    threshold = max(
        floor,
        dear + _MARGIN,
        _exceeded_by(ordered, 0.01),
        _exceeded_by(ordered, 0.5) + _LEAST_SPREAD,
    )
    knots = [(float(ordered[0]), 0.0)]
    for share, calibrated in _LEVELS[:2]:
        place = _exceeded_by(ordered, share)
        if knots[-1][0] + _STEP <= place <= threshold - _STEP:
            knots.append((place, calibrated))
    knots.append((max(threshold, knots[-1][0] + _STEP), THRESHOLD))
    knots.append((max(1.0, knots[-1][0] + _STEP), -1.0))
    return Calibration(tuple(knots))


def _exceeded_by(scores: NDArray[np.float64], share: float) -> float:
    """The lowest of the sorted ``scores`` that at most ``share`` of them exceed."""
    count = len(scores)
    above = int(share * count)
    while above / count > share:  # the product may have been rounded up to a whole number
        above -= 1
    return float(scores[count - 1 - above])


def _threshold(scores: NDArray[np.float64], rate: float) -> float:
    greatest = float(scores[-1])
    roomy = _exceeded_by(scores, 0.5) + _LEAST_SPREAD
    if rate * len(scores) >= 1.0:
        return max(_exceeded_by(scores, rate), roomy)
    upper = _exceeded_by(scores, 0.25)
    scale = max(float(np.mean(scores[scores >= upper] - upper)), _LEAST_SCALE)
    beyond = greatest + scale * math.log(1.0 / (rate * len(scores))) + _MARGIN
    return min(max(beyond, roomy), (greatest + 1.0) / 2.0)
