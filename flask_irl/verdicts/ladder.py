"""Describe the ladder: from a score to a step, and from a step to a share of the limit. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HYSTERESIS: Final = 0.05
"""Margin above the threshold from which on a client mends: no flapping."""
SMOOTHING_SECONDS: Final = 15.0
"""Time over which a smoothed score follows the raw one."""
CLIMB_SECONDS: Final = 20.0
MILD: Final = -0.25
"""Score of an odd client that does no harm: above any threshold, but no praise."""
FORGIVING_SECONDS: Final = 6 * 3600.0
"""Time over which offences are forgotten."""


@dataclass(frozen=True, slots=True)
class Step:
    """Describe one step of the ladder.

    Args:
        factor: Share of every limit that is left, 0 (blocked) to 1.
        hold_seconds: Least time before a client that behaves leaves the step.
        climb_seconds: Time before a client that doesn't behave gets the next step.
    """

    factor: float
    hold_seconds: float = 0.0
    climb_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """Describe the steps, from the full limit down, and the conditions to take them.

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
        """Give the share of the limit at each step."""
        return tuple(step.factor for step in self.steps)


def ladder_of(factors: Sequence[float], window_seconds: float, threshold: float) -> Ladder:
    """Build a ladder: the full limit, and a step for each factor, held longer than the one before.

    Args:
        factors: Falling, below 1; 0 is a block.
        window_seconds: The limit's window: the first step is held that long, each next one twice
            as long as the one before.
        threshold: As of :class:`Ladder`.
    """
    climb = min(CLIMB_SECONDS, window_seconds / 2)
    steps = (Step(factor, window_seconds * 2**index, climb) for index, factor in enumerate(factors))
    return Ladder((Step(1.0), *steps), threshold)


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
