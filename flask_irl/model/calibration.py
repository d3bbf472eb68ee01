"""Calibrate a detector's raw scores, so that they mean the same for every detector and site.

A raw score says nothing about how rare it is: 0.5 from an Isolation Forest is perfectly normal.
Calibrated scores run from 0 (as normal as can be) to -1 (as anomalous as can be). On the site's own
legitimate traffic half of all rows score below -0.1 and one in ten below -0.25, where the threshold
leaves room; scores below -0.5 cost legitimate clients no more than a chosen budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from flask_irl.errors import ModelError

THRESHOLD = -0.5
"""Calibrated score at which :func:`calibrate_by_impact` puts the edge of the budget."""

_LEVELS = ((0.5, -0.1), (0.1, -0.25))
_STEP = 1e-6  # least distance of two knots
_LEAST_SPREAD = 0.01  # a sample that is all alike must not flag the next one that is not
_MARGIN = 0.005
_FARTHEST = 1e6


@dataclass(frozen=True)
class Calibration:
    """Map raw scores by a falling curve through ``knots``, straight between and level beyond them.

    Args:
        knots: At least two pairs (raw, calibrated); raw from -1e6 to 1e6 and strictly increasing,
            calibrated from 0 down to -1 and never increasing.

    Raises:
        ModelError: The knots are out of range or order.
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
        between = np.maximum(above + part * (below - above), below)
        calibrated: NDArray[np.float64] = np.where(part < 1.0, between, below)
        return calibrated

    def to_list(self) -> list[list[float]]:
        """Give the knots, for JSON."""
        return [[raw, calibrated] for raw, calibrated in self.knots]

    @classmethod
    def from_list(cls, knots: object) -> Self:
        """Make a calibration of the list that :meth:`to_list` gave.

        Raises:
            ModelError: The list has no pairs of numbers, or the knots are wrong.
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


def calibrate_by_impact(
    raw: NDArray[np.float64],
    harmful: NDArray[np.bool_],
    requests: NDArray[np.float64],
    budget: float,
    floor: float = 0.0,
) -> Calibration:
    """Choose the lowest threshold that costs legitimate clients no more than a budget.

    It is no quantile of scores: the budget counts requests of legitimate clients that would be
    refused, and only requests of rows with a sign of harm can be.

    Args:
        raw: Raw scores of legitimate rows held back, shape (n,), n at least 1, each from 0 to 1.
        harmful: Mask of the rows with a sign of harm.
        requests: Number of requests that each row stands for.
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
    for share, calibrated in _LEVELS:
        place = _exceeded_by(ordered, share)
        if knots[-1][0] + _STEP <= place <= threshold - _STEP:
            knots.append((place, calibrated))
    knots.append((max(threshold, knots[-1][0] + _STEP), THRESHOLD))
    knots.append((max(1.0, knots[-1][0] + _STEP), -1.0))
    return Calibration(tuple(knots))


def _exceeded_by(scores: NDArray[np.float64], share: float) -> float:
    """Give the lowest of the sorted ``scores`` that at most ``share`` of them exceed."""
    count = len(scores)
    above = int(share * count)
    while above / count > share:  # the product may have been rounded up to a whole number
        above -= 1
    return float(scores[count - 1 - above])
