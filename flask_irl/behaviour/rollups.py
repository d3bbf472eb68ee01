"""Lay out a site's history: counts of short periods, kept at several resolutions. Pure.

A rollup counts one period, such as ten seconds. The rollups of a resolution are a ring: a period
takes the place of the one that began a whole turn before it, so that they never become more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

RINGS: Final[Mapping[int, int]] = {1: 300, 10: 360, 60: 1440, 3600: 840}
"""Rollups kept of each resolution, in seconds: five minutes, an hour, a day, 35 days."""
SCORE_BUCKETS: Final = 10
"""Buckets of scores, from 0 to -1."""
LATENCIES: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)
"""Upper bounds of the buckets of latencies, in seconds; a last bucket has the longer ones."""
MAXIMA: Final = ("flagged_clients", "model_version")
"""Figures of which a rollup has the highest. Their order is the stored form: only append."""
OUTCOMES: Final = ("allowed", "limited", "blocked", "shadow_limited")
ANSWERS: Final = ("fine", "denied", "missing", "other")
"""Kinds of answers that flagged clients got to requests that were admitted."""
SUMS: Final = (
    *OUTCOMES,
    "refused_by_app",
    "store_errors",
    "flagged",
    *(f"flagged_{answer}" for answer in ANSWERS),
    *(f"score_{bucket}" for bucket in range(SCORE_BUCKETS)),
    *(f"latency_{bucket}" for bucket in range(len(LATENCIES) + 1)),
)
"""Figures that a rollup adds up. Their order is the stored form: only append."""
COUNTS_ALONE: Final = re.compile(r"[0-9]{1,15}(?: [0-9]{1,15})*")
PLACE: Final[Mapping[str, int]] = {name: place for place, name in enumerate(SUMS)}
FIRST_SCORE: Final = PLACE["score_0"]
FIRST_LATENCY: Final = PLACE["latency_0"]


class Rollup(NamedTuple):
    """Count one period.

    Attributes:
        maxima: The figures of :data:`MAXIMA`, in order.
        sums: The figures of :data:`SUMS`, in order.
    """

    maxima: tuple[int, ...]
    sums: tuple[int, ...]

    def plus(self, other: Rollup) -> Rollup:
        """Add another part of the same period."""
        return Rollup(
            tuple(map(max, self.maxima, other.maxima)),
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
        )

    def named(self) -> dict[str, int]:
        """Give all figures by name."""
        return {
            **dict(zip(MAXIMA, self.maxima, strict=True)),
            **dict(zip(SUMS, self.sums, strict=True)),
        }


NOTHING: Final = Rollup((0,) * len(MAXIMA), (0,) * len(SUMS))
Period = tuple[int, int]
"""A resolution in seconds, and the beginning of a period in seconds since the epoch."""


class Seconds:
    """Gather the figures of single seconds, until they are folded into periods."""

    def __init__(self) -> None:
        self._sums: dict[int, list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, second: int, place: int, amount: int) -> None:
        """Add to a figure.

        Args:
            second: The second since the epoch.
            place: Place of the figure in :data:`SUMS`.
            amount: What is added.
        """
        sums = self._sums.get(second)
        if sums is None:
            sums = self._sums[second] = [0] * len(SUMS)
        sums[place] += amount

    def clear(self) -> None:
        """Forget all of it."""
        self._sums.clear()

    def bound(self) -> None:
        """Drop the oldest of what has waited for too long, while the store is out."""
        for second in sorted(self._sums)[: -RINGS[1]]:
            del self._sums[second]

    def fold(self, maxima: Sequence[int], errors: int) -> dict[Period, Rollup]:
        """Fold the seconds into the periods of all resolutions.

        Args:
            maxima: The figures of :data:`MAXIMA`.
            errors: Failed calls of the store, which count for the latest second.
        """
        found: dict[Period, Rollup] = {}
        latest = max(self._sums, default=0)
        for second, sums in self._sums.items():
            if second == latest:
                sums = [*sums]
                sums[PLACE["store_errors"]] += errors
            own = Rollup(tuple(maxima), tuple(sums))
            for resolution in RINGS:
                period = (resolution, second - second % resolution)
                found[period] = found[period].plus(own) if period in found else own
        return found


def answer_kind(status: int) -> str:
    """Name the kind of an answer, one of :data:`ANSWERS`, by its status."""
    if status < 400:
        return "fine"
    if status in (401, 403):
        return "denied"
    return "missing" if status == 404 else "other"


def encode(rollup: Rollup) -> str:
    """Write a rollup's figures: maxima, a bar, sums."""
    return f"{' '.join(map(str, rollup.maxima))}|{' '.join(map(str, rollup.sums))}"


def decode(text: str) -> Rollup:
    """Read what :func:`encode` wrote; figures of a later version are left out, lacking ones are 0.

    Raises:
        ValueError: It is no rollup.
    """
    maxima, bar, sums = text.partition("|")
    if not bar:
        raise ValueError("no bar between maxima and sums")
    return Rollup(_whole(maxima, len(MAXIMA)), _whole(sums, len(SUMS)))


def _whole(text: str, count: int) -> tuple[int, ...]:
    if COUNTS_ALONE.fullmatch(text):
        # The usual case, at once: a day has 1,440 rollups of 34 figures.
        known = tuple(map(int, text.split(" ", count)[:count]))
        return known + (0,) * (count - len(known))
    words = text.split(" ")[:count]
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) <= 15):
            raise ValueError(f"{word!r:.40} is no count")
    return (*map(int, words), *(0,) * (count - len(words)))
