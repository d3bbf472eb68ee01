"""Keep a subject's activity: fading counts over a minute, five and an hour, and usual rates.

A usual rate knows no hour and no weekday: no forecast that does was better (docs/detection.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

HORIZONS: Final = (60.0, 300.0, 3600.0)
"""Seconds over which counts fade."""
MINUTE, SHORT, HOUR = range(3)
"""Places of the horizons."""
MEMORY_SECONDS: Final = 6 * 3600.0
"""Time over which the usual rates follow the present ones."""
QUIET_SECONDS: Final = 1800.0
"""Time for which a subject is assumed to have been quiet before anything was known of it."""
MOST_TIMES: Final = 3.0
"""Multiple of a usual rate, and a count in five minutes, beyond which the present one teaches no
more: a slow attack must not become usual at once."""
MOST_MORE: Final = 0.5
NEWCOMERS: Final = frozenset({"judged", "odd"})
"""Counts that all teach in the site's first half hour, in which no campaign is named by them: else
a site whose ordinary newcomers are of a sort would name a campaign for them right after it."""
LARGEST: Final = 1e9


class Activity:
    """Hold the counts of one subject, by name.

    Attributes:
        at: Time as of which the counts are, in seconds since the epoch.
        learned: Seconds for which usual rates were learned.
        usual: Usual counts a second, by name.
        odd_since: Time since which the activity has been out of what is usual, 0 for not.
    """

    __slots__ = ("_counts", "at", "learned", "odd_since", "usual")

    def __init__(self, at: float, learned: float = 0.0) -> None:
        self.at = at
        self.learned = learned
        self.odd_since = 0.0
        self.usual: dict[str, float] = {}
        self._counts: dict[str, list[float]] = {}

    def add(self, counts: Mapping[str, float], now: float) -> None:
        """Add counts as of now, in seconds since the epoch."""
        self.fade(now)
        for name, count in counts.items():
            before = self._counts.get(name, (0.0,) * len(HORIZONS))
            self._counts[name] = [min(x + count, LARGEST) for x in before]

    def fade(self, now: float) -> None:
        """Fade all counts to a time."""
        seconds = now - self.at
        if seconds > 0.0:
            left = [math.exp(-seconds / horizon) for horizon in HORIZONS]
            for name, counts in self._counts.items():
                self._counts[name] = [x * y for x, y in zip(counts, left, strict=True)]
        # Also where the clock was set back: else nothing would fade until it is there again.
        self.at = now

    def count(self, name: str, horizon: int) -> float:
        """Read a fading count of a horizon, by its place."""
        counts = self._counts.get(name)
        return 0.0 if counts is None else counts[horizon]

    def expected(self, name: str, horizon: int) -> float:
        """Compute the count that is usual within a horizon."""
        return self.usual.get(name, 0.0) * HORIZONS[horizon]

    def learn(self, seconds: float) -> None:
        """Let the usual rates follow the present ones.

        Args:
            seconds: Time since they did so last.
        """
        known = min(max(self.learned, QUIET_SECONDS) + seconds, MEMORY_SECONDS)
        weight = max(seconds, 0.0) / known
        self.learned = min(self.learned + max(seconds, 0.0), LARGEST)
        for name in self._counts.keys() | self.usual.keys():
            usual = self.usual.get(name, 0.0)
            rate = self.count(name, SHORT) / HORIZONS[SHORT]
            if name not in NEWCOMERS or self.learned > QUIET_SECONDS:
                rate = min(rate, MOST_TIMES * usual + MOST_MORE / HORIZONS[SHORT])
            self.usual[name] = usual + weight * (rate - usual)

    def become_usual(self) -> None:
        """Take the counts back to what is usual, after a campaign."""
        self.odd_since = 0.0
        for name in self._counts:
            self._counts[name] = [self.expected(name, place) for place in range(len(HORIZONS))]

    def encode(self) -> dict[str, Any]:
        """Turn it into members, ready for JSON."""
        return {
            "at": round(self.at, 3),
            "learned": round(self.learned, 1),
            "odd_since": round(self.odd_since, 1),
            "usual": {name: _short(rate) for name, rate in self.usual.items()},
            "counts": {name: [_short(x) for x in counts] for name, counts in self._counts.items()},
        }

    @classmethod
    def decode(cls, members: Mapping[str, Any]) -> Activity:
        """Read it from members; those that are not known are ignored.

        Raises:
            ValueError: A member is missing or not allowed.
        """
        try:
            activity = cls(_number(members["at"]))
            activity.learned = _number(members["learned"])
            activity.odd_since = _number(members["odd_since"])
            activity.usual = {str(k): _number(v) for k, v in members["usual"].items()}
            for name, counts in members["counts"].items():
                numbers = [_number(x) for x in counts[: len(HORIZONS)]]
                if len(numbers) != len(HORIZONS):
                    raise ValueError("a count has too few horizons")
                activity._counts[str(name)] = numbers
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"an activity can't be read: {error!r}") from None
        return activity


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{value!r} is no count")
    return number


def _short(value: float) -> float:
    return float(f"{value:.4g}")
