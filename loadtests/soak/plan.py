"""Plan a soak: its length, and the faults that it plays one after the other."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import Final

from loadtests.soak.faults import FAULTS, Fault

VARIABLE: Final = "SOAK_MINUTES"
USUAL_MINUTES: Final = 30.0
LEAST_MINUTES: Final = 0.5
CYCLE_SECONDS: Final = 86.0
"""Time of a fault with the calm before it, where there is enough of it."""
LEAST_FAULTS: Final = 2
MOST_WARM_UP: Final = 240.0
MOST_FAULT: Final = 8.0
MOST_SETTLING: Final = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Divide the minutes of a soak.

    Raises:
        ValueError: There are too few of them.
    """

    minutes: float = USUAL_MINUTES

    def __post_init__(self) -> None:
        if not LEAST_MINUTES <= self.minutes < math.inf:
            raise _refusal(f"{self.minutes:g}")

    @property
    def warm_up(self) -> float:
        """Give the seconds until workers and store are as large as they get."""
        return min(MOST_WARM_UP, self.minutes * 60 / 4)

    @property
    def faults(self) -> Sequence[Fault]:
        """Give the faults in order: first each of them, then those of the store again.

        So workers live long enough to see whether they grow.
        """
        count = max(LEAST_FAULTS, int((self.minutes * 60 - self.warm_up) / CYCLE_SECONDS))
        again = cycle([fault for fault in FAULTS if fault.of_store])
        return list(islice(chain(FAULTS, again), count))

    @property
    def cycle(self) -> float:
        """Give the seconds of a fault with the calm before it; one more calm comes last."""
        return (self.minutes * 60 - self.warm_up) / (len(self.faults) + 1)

    @property
    def fault(self) -> float:
        """Give the seconds of a fault."""
        return min(MOST_FAULT, self.cycle / 5)

    @property
    def settling(self) -> float:
        """Give the seconds after a fault, in which its consequences end."""
        return min(MOST_SETTLING, self.cycle / 3)

    @property
    def calm(self) -> float:
        """Give the seconds of calm before a fault."""
        return self.cycle - self.fault - self.settling


def from_environment(environment: Mapping[str, str] = os.environ) -> Plan:
    """Read ``SOAK_MINUTES``.

    Raises:
        ValueError: It is no number, or too small.
    """
    text = environment.get(VARIABLE) or str(USUAL_MINUTES)
    try:
        minutes = float(text)
    except ValueError:
        raise _refusal(text) from None
    return Plan(minutes)


def _refusal(given: str) -> ValueError:
    return ValueError(
        f"{VARIABLE} is {given}, which is not allowed: give {LEAST_MINUTES:g} minutes or more"
    )
