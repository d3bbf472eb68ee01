"""Write moments in ISO 8601; inside, a moment is a number of seconds since the epoch."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Mapping
from typing import Any, Final

from flask_irl.errors import ConfigurationError

MOMENT_NAME: Final = re.compile(r"(?:^|_)(?:at|since|until)$|_seen$")
"""Ends of the names of members that are moments: ``trained_at``, ``last_seen``, ``until``."""
MAX_MOMENT: Final = 40
"""Most characters of a moment's text."""
COUNTS: Final = frozenset({"endpoints", "buffer_size"})
"""Members that map names of routes or clients to counts: those names may end like moments'."""


def when(seconds: float) -> str | None:
    """Write a moment in UTC, such as ``2026-11-27T15:40:00Z``.

    Args:
        seconds: Since the epoch.

    Returns:
        None for 0, which stands for never, and for moments that no calendar has.
    """
    if not seconds:
        return None
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def seconds_until(moment: object, now: float) -> float:
    """Give the seconds until a moment.

    Args:
        moment: A text of ISO 8601 with its zone, such as ``2026-12-31T23:59:59Z``, or a
            ``datetime`` with a zone.
        now: The present, in seconds since the epoch.

    Raises:
        ConfigurationError: It is no such moment, or not later than now.
    """
    found: object = moment
    if isinstance(moment, str) and len(moment) <= MAX_MOMENT:
        with contextlib.suppress(ValueError):
            found = datetime.datetime.fromisoformat(moment)
    if not isinstance(found, datetime.datetime) or found.utcoffset() is None:
        raise ConfigurationError(
            f"until is {moment!r:.60}: give a moment of ISO 8601 with its zone, such as "
            "2026-12-31T23:59:59Z"
        )
    seconds = found.timestamp() - now
    if seconds <= 0:
        raise ConfigurationError(f"until is {moment!r:.60}, which is past: give a later moment")
    return seconds


def with_moments(record: Mapping[str, Any]) -> dict[str, Any]:
    """Write the moments of a record and of the records inside it; all else stays as it is."""
    return {
        name: value if name in COUNTS else _written(name, value) for name, value in record.items()
    }


def is_moment(name: str, value: object) -> bool:
    """Tell whether a record's member is a moment."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and MOMENT_NAME.search(name) is not None


def _written(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return with_moments(value)
    if isinstance(value, list):
        return [_written("", item) for item in value]
    return when(value) if is_moment(name, value) else value
