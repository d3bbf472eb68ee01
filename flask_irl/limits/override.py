"""Describe an operator's override of the verdict and the limits of one client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from flask_irl.errors import ConfigurationError
from flask_irl.limits.limit import MAX_AMOUNT

Kind = Literal["allow", "block", "limit"]
KINDS: Final[tuple[Kind, ...]] = ("allow", "block", "limit")
MAX_SECONDS: Final = 366 * 86400.0
CODES: Final[dict[Kind, int]] = {"allow": 1, "block": 2, "limit": 3}
"""Numbers by which stores write a kind; 0 is none."""


def check_seconds(seconds: object) -> None:
    """Check a time for which something is to hold, an override or a pin.

    Raises:
        ConfigurationError: It isn't a number above 0, up to :data:`MAX_SECONDS`.
    """
    number = seconds if isinstance(seconds, int | float) else 0
    if isinstance(seconds, bool) or not 0 < number <= MAX_SECONDS:
        raise ConfigurationError(
            f"seconds is {seconds!r}: give a number above 0, up to {MAX_SECONDS:.0f}"
        )


@dataclass(frozen=True, slots=True)
class Override:
    """Describe an operator's override of one client, for a time.

    Args:
        kind: ``allow`` (no limit refuses it), ``block`` (every request is refused) or ``limit``
            (``amount`` requests per window instead of the base limit, at any step).
        until: End, in seconds since the epoch.
        amount: The fixed limit, 1 to 2**31 - 1; 0 for the other kinds.

    Raises:
        ConfigurationError: A member is not allowed.
    """

    kind: Kind
    until: float
    amount: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigurationError(f"kind is {self.kind!r}: give one of {', '.join(KINDS)}")
        low = 1 if self.kind == "limit" else 0
        high = MAX_AMOUNT if self.kind == "limit" else 0
        whole = isinstance(self.amount, int) and not isinstance(self.amount, bool)
        if not whole or not low <= self.amount <= high:
            raise ConfigurationError(
                f"amount is {self.amount!r}: give a whole number from 1 to {MAX_AMOUNT} with kind "
                "'limit', and none with the others"
            )
