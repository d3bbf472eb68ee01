"""Describe the ladder: its steps, and the share of the limit at each. Pure.

Apart from what computes with it: requests need the ladder, and no numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

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
