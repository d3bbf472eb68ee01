"""Report values in Redis that can't be read; each counts as absent, and fails no call."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

from flask_irl.stores.redis.exceptions import ResponseError
from flask_irl.telemetry.damage import DamageLog
from flask_irl.telemetry.events import Notify

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


class ServerDamage:
    """Report damaged values in Redis by their keys.

    Args:
        site: Begins the keys of the site's values; all others are clients'.
        clock: Seconds, of any origin.
    """

    def __init__(self, site: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._site = site
        self._log = DamageLog("client", "state_damaged", clock=clock)

    def report_to(self, notify: Notify) -> None:
        """Have an event taken for each damaged value from now on."""
        self._log.notify = notify

    def report(self, key: bytes, reason: object) -> None:
        """Report a damaged value.

        Args:
            key: The Redis key that holds it.
            reason: The damage.
        """
        kind = "site" if key.startswith(self._site) else "client"
        self._log.report(kind=kind, key=key.decode(errors="backslashreplace"), reason=reason)


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
