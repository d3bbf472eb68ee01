"""Compute the periods of calendar windows: days, weeks and months in a time zone."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Final, Literal, get_args

from flask_irl.errors import ConfigurationError

Unit = Literal["day", "week", "month"]
UNITS: Final[tuple[Unit, ...]] = get_args(Unit)
LONGEST_SECONDS: Final[dict[Unit, int]] = {"day": 86_400, "week": 604_800, "month": 31 * 86_400}
"""Length of a period by which it is shown, and kept in a store; days of 25 hours aside."""
BOUNDS: Final = 8
"""Starts of periods that a plan knows: the one before, the present one, and those to come."""
UTC: Final = "UTC"


def check_zone(name: str) -> None:
    """Check the name of a time zone.

    Raises:
        ConfigurationError: It isn't known here.
    """
    try:
        _zone(name)
    except (ValueError, OSError, KeyError):
        raise ConfigurationError(
            f"{name!r:.80} is no time zone that is known here: give a name such as Europe/Berlin "
            "or UTC; where the system knows none, pip install tzdata"
        ) from None


def bounds(unit: Unit, zone: str, now: float) -> tuple[float, ...]:
    """Give the starts of consecutive periods, the present one the second of them.

    A day begins at midnight, where that is skipped at the next moment there is, and where it comes
    twice at the first; a week on Monday.

    Args:
        unit: The calendar's unit.
        zone: Name of a time zone.
        now: The present, in seconds since the epoch.

    Returns:
        :data:`BOUNDS` times in µs since the epoch, rising.
    """
    tz = _zone(zone)
    day = _first_day(unit, datetime.datetime.fromtimestamp(now, tz).date())
    first = _first_day(unit, day - datetime.timedelta(days=1))
    # A day that a zone has skipped has no length.
    first = _first_day(unit, first - datetime.timedelta(days=1))
    found: list[float] = []
    for start in _starts(unit, first, tz):
        if not found or start > found[-1]:
            found.append(start)
        if len(found) == BOUNDS + 2:
            break
    place = max(i for i, start in enumerate(found) if start <= now * 1e6)
    return tuple(found[place - 1 : place - 1 + BOUNDS])


def period(known: tuple[float, ...], now: float) -> tuple[float, float]:
    """Give the start and the length of the period of a moment, in µs.

    Outside of the known periods they go on as long as the first or last of them; the twin of
    ``period_of`` in ``calendar.lua``.

    Args:
        known: From :func:`bounds`.
        now: µs since the epoch.
    """
    start = known[0]
    if now < start:
        length = known[1] - start
        return start + math.floor((now - start) / length) * length, length
    for end in known[1:]:
        if now < end:
            return start, end - start
        length, start = end - start, end
    return start + math.floor((now - start) / length) * length, length


def _zone(name: str) -> datetime.tzinfo:
    if name == UTC:
        # Known without any files, too.
        return datetime.UTC
    # Most sites need none.
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def _first_day(unit: Unit, day: datetime.date) -> datetime.date:
    if unit == "week":
        return day - datetime.timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _starts(unit: Unit, day: datetime.date, tz: datetime.tzinfo) -> Iterator[float]:
    while True:
        midnight = datetime.datetime.combine(day, datetime.time(), tz)
        yield float(round(midnight.timestamp() * 1e6))
        if unit == "month":
            day = (day + datetime.timedelta(days=31)).replace(day=1)
        else:
            day += datetime.timedelta(days=7 if unit == "week" else 1)
