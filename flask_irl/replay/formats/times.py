"""Read the times of access logs."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

from flask_irl.replay.formats.entry import MAX_TS

CLOCK: Final = (
    r"(\d\d/\w{3}/\d{4}[: ]\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)"
    r"(?:[.,](\d{1,9}))?( ?[+-]\d\d:?\d\d|Z)?"
)
"""Matches day and time as servers write them: the second, its fraction, the zone."""

_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_EPOCH = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=4096)
def second_of(stamp: str, zone: str | None) -> float:
    """Read day and time as :data:`CLOCK` matches them, in unix seconds; UTC without a zone.

    Raises:
        ValueError: There is no such date, time of day or zone, or not from 1970 to 2099.
    """
    hour, minute, second = int(stamp[-8:-6]), int(stamp[-5:-3]), int(stamp[-2:])
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("no such time of day")
    ts = _midnight(stamp[:-9], zone) + hour * 3600 + minute * 60 + second
    if not 0.0 <= ts < MAX_TS:
        raise ValueError(f"ts is not in unix seconds, 0 to {MAX_TS:.0f}")
    return ts


@lru_cache(maxsize=1024)
def _midnight(day: str, zone: str | None) -> float:
    try:
        if day[4] == "-":
            days = date.fromisoformat(day).toordinal()
        else:
            month, rest = divmod(_MONTHS.find(day[3:6].lower()), 3)
            days = date(int(day[7:]), 0 if rest else month + 1, int(day[:2])).toordinal()
    except ValueError:
        raise ValueError("no such date") from None
    return (days - _EPOCH) * 86400.0 - _ahead(zone)


def _ahead(zone: str | None) -> int:
    zone = (zone or "Z").strip()
    if zone == "Z":
        return 0
    ahead = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    if ahead > 15 * 3600:
        raise ValueError("no such time zone")
    return ahead if zone[0] == "+" else -ahead


def fraction(digits: str | None) -> float:
    """Read what stands behind the second's point."""
    return int(digits) / 10 ** len(digits) if digits else 0.0


def moment_of(value: object) -> float:
    """Read a time of any usual kind, in unix seconds.

    Args:
        value: A number of seconds, milli-, micro- or nanoseconds since the epoch, 1973 to 5138,
            also as text; ISO 8601; or the time of Common Log Format. UTC without a zone.

    Raises:
        ValueError: It is no time.
    """
    if isinstance(value, str):
        text = value.strip().strip("[]")
        try:
            value = float(text)
        except ValueError:
            return _written(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("no time")
    # Seconds of this age have ten digits; each finer unit has three more.
    for unit in (1.0, 1e3, 1e6, 1e9):
        if 1e8 < value / unit < 1e11:
            return value / unit
    raise ValueError("no time")


def _written(text: str) -> float:
    if text[2:3] == "/":
        stamp, _, zone = text.partition(" ") if text[11:12] == ":" else (text[:20], "", text[20:])
        stamp, _, digits = stamp.partition(".")
        if len(stamp) != 20 or not stamp[-8:].replace(":", "").isdecimal():
            raise ValueError("no time")
        return second_of(stamp, f" {zone}" if zone else None) + fraction(digits)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("no time") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
