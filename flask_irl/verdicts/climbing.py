"""Go from a score to a step on the ladder. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.verdicts.ladder import Ladder

HYSTERESIS: Final = 0.05
"""Margin above the threshold from which on a client mends: no flapping."""
SMOOTHING_SECONDS: Final = 15.0
"""Time over which a smoothed score follows the raw one."""


def smooth(
    previous: NDArray[np.float64], score: NDArray[np.float64], elapsed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Smooth scores, so that they follow behaviour within seconds but not each single request.

    Args:
        previous: Smoothed scores until now.
        score: Calibrated scores of the present.
        elapsed: Seconds since each client was judged; infinite if it never was.
    """
    weight = 1.0 - np.exp(-np.maximum(elapsed, 0.5) / SMOOTHING_SECONDS)
    return previous + weight * (score - previous)


def next_steps(
    ladder: Ladder,
    step: NDArray[np.int64],
    score: NDArray[np.float64],
    since: NDArray[np.float64],
    evidence: NDArray[np.float64],
    offences: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.int64]:
    """Compute each client's next step.

    Args:
        ladder: The steps and the threshold.
        step: Present steps.
        score: Smoothed calibrated scores, 0 to -1.
        since: Seconds since the step last changed.
        evidence: Requests in memory.
        offences: Number of times flagged lately; such a client is sent further down sooner.

    Returns:
        The steps from now on: one down for an anomalous client, one up for one that behaved for
        the step's hold, else the same.
    """
    last = len(ladder.steps) - 1
    step = np.clip(step, 0, last)
    hold = np.array([s.hold_seconds for s in ladder.steps])[step]
    climb = np.array([s.climb_seconds for s in ladder.steps])[step] / (1.0 + offences)
    judged = evidence >= ladder.evidence
    down = judged & (score < ladder.threshold) & ((step == 0) | (since >= climb)) & (step < last)
    mended = (score > min(ladder.threshold + HYSTERESIS, -1e-9)) | ~judged
    up = (step > 0) & mended & (since >= hold)
    return np.where(down, step + 1, np.where(up, step - 1, step))
