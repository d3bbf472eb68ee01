"""Report values in Redis that can't be read; each counts as absent, and fails no call."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Final

from redis.exceptions import ResponseError

from flask_irl.telemetry.log import Sampler, event

LOG_SECONDS: Final = 1.0
WHOLE: Final = re.compile(rb"[0-9]{1,15}")
"""A whole number that a double holds exactly."""
DAMAGE: Final = (
    "WRONGTYPE",
    "INVALIDOBJ",
    "ERR value is not an integer",
    "ERR hash value is not an integer",
    "ERR increment or decrement would overflow",
)
"""Beginnings of Redis's errors that speak of a single value."""


class DamagedError(ValueError):
    """Tell that a value in Redis can't be read."""


class DamageLog:
    """Log damaged values, at most one line a second.

    Args:
        clock: Seconds, of any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._sampler = Sampler(LOG_SECONDS, clock)

    def report(self, key: bytes, reason: object) -> None:
        """Log a damaged value.

        Args:
            key: The Redis key that holds it.
            reason: The damage.
        """
        held = self._sampler.passes()
        if held is not None:
            event(
                logging.WARNING,
                "state_damaged",
                key=key.decode(errors="backslashreplace"),
                reason=reason,
                not_logged=held,
            )


def is_damage(error: Exception) -> bool:
    """Tell whether an error of Redis speaks of a single value, not of the server."""
    return isinstance(error, ResponseError) and str(error).startswith(DAMAGE)


def parse_whole(value: bytes) -> int:
    """Read a whole number of at most 15 digits.

    Raises:
        DamagedError: The value is not such a number.
    """
    if not isinstance(value, bytes) or WHOLE.fullmatch(value) is None:
        raise DamagedError(f"{value[:40]!r} is no whole number")
    return int(value)
