"""Show durations: in whole seconds for headers, in words for people."""

from __future__ import annotations

import math
from typing import Final

from flask_irl.limits.decision import Decision

UNITS: Final = (
    ("second", 1, 90),
    ("minute", 60, 90),
    ("hour", 3600, 48),
    ("day", 86_400, math.inf),
)
"""Units, each with its seconds, and the most of it that is shown before the next one is."""


def seconds(duration: float) -> int:
    """Round a duration up to whole seconds, as headers show it, so that waiting it suffices."""
    # The store counts in microseconds; an excess by floats is no second.
    return -(-int(duration * 1e6 + 0.5) // 1_000_000) if duration > 0 else 0


def retry_seconds(decision: Decision) -> int:
    """Give the seconds for ``Retry-After`` of a refused request: at least one."""
    return max(1, seconds(decision.retry_after))


def epoch_seconds(at: float, duration: float) -> int:
    """Give the first whole second since the epoch at which a duration that began at one is over."""
    micros = int(at * 1e6 + 0.5) + (int(duration * 1e6 + 0.5) if duration > 0 else 0)
    return -(-micros // 1_000_000)


def in_words(whole_seconds: int) -> str:
    """Write a duration of whole seconds for people, such as ``2 minutes``, rounded up."""
    counts = ((-(-whole_seconds // length), unit, most) for unit, length, most in UNITS)
    count, unit = next((n, unit) for n, unit, most in counts if n <= most)
    return f"{count} {unit}{'' if count == 1 else 's'}"
