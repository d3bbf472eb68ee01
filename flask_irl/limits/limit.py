"""Describe a rate limit, and read it from text."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final, cast

from flask_irl.errors import ConfigurationError
from flask_irl.limits.calendar import LONGEST_SECONDS, Unit

CALENDAR: Final = "calendar-"
"""Begins a calendar's unit in a limit's text."""
PERIOD: Final = re.compile(r"([0-9]{1,12})\s*(?:/|\s+per\s+)\s*calendar-(day|week|month)")
SEPARATORS: Final = re.compile(r"[,;|]")
PLAIN: Final = re.compile(
    r"\s*([0-9]{1,12})\s*(?:/|per)\s*([1-9][0-9]{0,5})?\s*(second|minute|hour|day|month|year)s?\s*"
)
"""Matches a limit as nearly everybody writes it; the ``limits`` library knows more ways."""
SPACES: Final = re.compile(r"\s+")
JOINTS: Final = re.compile(r" ?(/|per) ?", re.IGNORECASE)
"""Joins a limit's figures: blanks beside it, which mean nothing, that library tries in each way."""
SECONDS: Final = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "month": 30 * 86_400,
    "year": 360 * 86_400,
}
"""Length of each unit, as that library has it."""
MAX_AMOUNT = 2**31 - 1
MAX_WINDOW_SECONDS = 366 * 24 * 3600
MAX_LIMITS = 16


@dataclass(frozen=True, slots=True)
class Limit:
    """Describe one rate limit: at most ``amount`` requests per ``window_seconds``.

    Args:
        amount: Requests per window, 1 to 2**31 - 1.
        window_seconds: Length of the window in seconds, 1 to one leap year.
        burst: Requests that GCRA admits at once, 1 to ``amount``; other strategies ignore it.
            ``None`` means ``amount``.
        calendar: The unit of a calendar's period, at most ``amount`` requests in each; the window
            is its usual length then. None for a window that rolls.

    Raises:
        ConfigurationError: A figure is out of its range.
    """

    amount: int
    window_seconds: int
    burst: int | None = None
    calendar: Unit | None = None

    def __post_init__(self) -> None:
        _check_range("limit", self.amount, 1, MAX_AMOUNT)
        _check_range("window", self.window_seconds, 1, MAX_WINDOW_SECONDS)
        if self.burst is not None:
            _check_range("burst", self.burst, 1, self.amount)

    def at(self, factor: float) -> int:
        """Give the requests per window at a step's factor (0 to 1).

        Rounded to the nearest whole request, and never under 1 unless the factor is 0.
        """
        return scale(self.amount, factor)

    def __str__(self) -> str:
        if self.calendar is not None:
            return f"{self.amount} per calendar-{self.calendar}"
        return f"{self.amount} per {self.window_seconds} seconds"


def scale(amount: int, factor: float) -> int:
    """Multiply an amount by a factor, rounded half up; at least 1 unless the factor is 0."""
    return 0 if factor <= 0 else max(1, int(amount * factor + 0.5))


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigurationError(
            f"{name} {value!r} is not allowed: give a whole number from {low} to {high}"
        )


def parse_limits(text: str, burst: int | None = None) -> tuple[Limit, ...]:
    """Read limits as the ``limits`` library writes them, such as ``"5/minute;100 per hour"``.

    Args:
        text: 1 to 16 limits, joined by ``,``, ``;`` or ``|``.
        burst: For each limit, the requests GCRA admits at once, cut to the limit's amount.

    Raises:
        ConfigurationError: The text is not such a list; the message quotes it.
    """
    if not isinstance(text, str):
        raise _unreadable(text)
    return _parse(text, burst)


@functools.lru_cache(maxsize=1024)
def _parse(text: str, burst: int | None) -> tuple[Limit, ...]:
    # Of many blanks in a row, the expressions would try each way to share them among them.
    squeezed = SPACES.sub(" ", text)
    parts = SEPARATORS.split(squeezed)
    matches = [PLAIN.fullmatch(part) or PERIOD.fullmatch(part.strip()) for part in parts]
    if all(matches):
        found = [_limit(match, burst) for match in matches if match is not None]
    else:
        found = _parse_by_library(text, squeezed, burst)
    if len(found) > MAX_LIMITS:
        raise ConfigurationError(
            f"limits {text!r} are {len(found)}: at most {MAX_LIMITS} count together"
        )
    return tuple(found)


def _limit(match: re.Match[str], burst: int | None) -> Limit:
    if match.re is PERIOD:
        unit = cast(Unit, match[2])
        return Limit(int(match[1]), LONGEST_SECONDS[unit], calendar=unit)
    amount, seconds = int(match[1]), int(match[2] or 1) * SECONDS[match[3]]
    return Limit(amount, seconds, None if burst is None else min(burst, amount))


def _parse_by_library(text: str, squeezed: str, burst: int | None) -> list[Limit]:
    # It imports all its storages: 3 MiB, and a sixth of a worker's start.
    from limits import parse_many

    found: list[Limit] = []
    for part in SEPARATORS.split(squeezed) if CALENDAR in squeezed else [squeezed]:
        calendar = PERIOD.fullmatch(part.strip())
        if calendar is not None:
            found.append(_limit(calendar, burst))
            continue
        try:
            items = parse_many(JOINTS.sub(r"\1", part))
        except (ValueError, TypeError, AttributeError):
            raise _unreadable(text) from None
        found += [
            Limit(x.amount, x.get_expiry(), None if burst is None else min(burst, x.amount))
            for x in items
        ]
    return found


def _unreadable(text: object) -> ConfigurationError:
    return ConfigurationError(
        f"limit {text!r} can't be read: write it as '<count>/<unit>' or "
        "'<count> per <n> <unit>', with second, minute, hour, day, month or year, or "
        "'<count>/calendar-<unit>' with day, week or month, "
        "several joined by ';'"
    )
