"""From a score to a step on the ladder, and from a step to a share of the limit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HYSTERESIS: Final = 0.05
"""A client mends only when its score is this much above the threshold: no flapping."""
SMOOTHING_SECONDS: Final = 5.0
"""Time over which a smoothed score follows the raw one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the ladder.

    Args:
        factor: Share of every limit that is left, 0 (blocked) to 1.
        hold_seconds: The least time before a client that behaves leaves the step.
    """

    factor: float
    hold_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """The steps, from the full limit down, and when a client takes them.

    Args:
        steps: The first has factor 1; each next one less.
        threshold: A client whose calibrated score is below it goes a step down; -1 to 0.
        evidence: Requests in memory before a client is judged at all.
    """

    steps: tuple[Step, ...]
    threshold: float
    evidence: float = 8.0

    @property
    def factors(self) -> tuple[float, ...]:
        """The share of the limit at each step."""
        return tuple(step.factor for step in self.steps)


def simple_ladder(anomalous_factor: float, hold_seconds: float, threshold: float) -> Ladder:
    """The full limit, and one step for the anomalous."""
    return Ladder((Step(1.0), Step(anomalous_factor, hold_seconds)), threshold)


def smooth(
    previous: NDArray[np.float64], score: NDArray[np.float64], elapsed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores that follow behaviour within seconds but not every single request.

    Args:
        previous: Smoothed scores until now.
        score: Calibrated scores of this evaluation.
        elapsed: Seconds since the last one; infinite where there was none.
    """
    weight = 1.0 - np.exp(-np.maximum(elapsed, 0.5) / SMOOTHING_SECONDS)
    return previous + weight * (score - previous)


def next_steps(
    ladder: Ladder,
    step: NDArray[np.int64],
    score: NDArray[np.float64],
    since: NDArray[np.float64],
    evidence: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Each client's next step.

    Args:
        ladder: The steps and the threshold.
        step: Present steps.
        score: Smoothed calibrated scores, 0 to -1.
        since: Seconds since the step last changed.
        evidence: Requests in memory.

    Returns:
        The steps from now on: one down for the anomalous, one up for those that have been well
        for the step's hold, else the same.
    """
    last = len(ladder.steps) - 1
    step = np.clip(step, 0, last)
    hold = np.array([s.hold_seconds for s in ladder.steps])[step]
    judged = evidence >= ladder.evidence
    down = judged & (score < ladder.threshold) & ((step == 0) | (since >= hold)) & (step < last)
    mended = (score > min(ladder.threshold + HYSTERESIS, -1e-9)) | ~judged
    up = (step > 0) & mended & (since >= hold)
    return np.where(down, step + 1, np.where(up, step - 1, step))
