"""Weigh raw scores by harm: the more a client takes away, the less odd it need look."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.model.detectors import Detector, Rows

GRAVE: Final = 4.0
"""Level of harm from which on it weighs: a hundred new paths in ten minutes."""
GRAVEST: Final = 16.0
"""Level of harm at which it weighs most."""


def weighed_scores(
    detector: Detector, rows: Rows, level: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score rows, and raise the scores by grave harm, up to the detector's ``harm_weight``.

    An eager person is often as odd as an attack that copies people, and seldom takes as much.

    Args:
        detector: Scores the rows.
        rows: Shape (n, n_features); see :meth:`Detector.score`.
        level: Level of harm of each, 0 or more, see
            :func:`flask_irl.behaviour.harm.harm_level`.

    Returns:
        Shape (n,), each finite and from 0 to 1.

    Raises:
        ValueError: The rows have another shape.
    """
    scores = detector.score(rows)
    if not detector.harm_weight:
        return scores
    share = np.log(np.clip(level, GRAVE, GRAVEST) / GRAVE) / np.log(GRAVEST / GRAVE)
    weighed: NDArray[np.float64] = np.minimum(scores + detector.harm_weight * share, 1.0)
    return weighed
