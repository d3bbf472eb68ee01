"""Define the protocol of a site's history: rollups of its traffic, and rankings of each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from flask_irl.behaviour.courses import CoursePart
from flask_irl.behaviour.rollups import Period, Rollup
from flask_irl.stores.courses import CourseStore

DAYS_KEPT: Final = 9
"""Days of which tallies are kept, the present one included."""
TALLIED: Final = 1000
"""Members of a tally that are kept: those with the highest counts."""
DAY: Final = 86_400

TallyName = tuple[int, str]
"""A day since the epoch, in UTC, and what is counted, such as ``client.requests``."""
Tally = Mapping[str, int]
"""Counts by member, such as by client."""


class History(NamedTuple):
    """Hold what a flush adds to the history.

    Attributes:
        rollups: Figures by period.
        tallies: Counts by day and name.
        courses: Parts of the courses of clients.
    """

    rollups: Mapping[Period, Rollup]
    tallies: Mapping[TallyName, Tally]
    courses: Sequence[CoursePart] = ()


class HistoryStore(CourseStore, Protocol):
    """Keep a site's history, bounded; off every request's path.

    Every method may raise :class:`~flask_irl.errors.StoreError`.
    """

    keeps_history: bool
    """Tells flushes to keep what only people look at: history, courses, rankings, incidents; True
    unless somebody, such as a replay, switches it off."""

    def rollups(self, resolution: int, first: int, last: int) -> dict[int, Rollup]:
        """Read rollups by their beginnings, in seconds since the epoch; empty periods are absent.

        Args:
            resolution: Seconds of each: 1, 10, 60 or 3600.
            first: The earliest beginning.
            last: The latest beginning.
        """

    def tallies(self, wanted: Sequence[TallyName], most: int) -> list[Tally]:
        """Read the highest counts of tallies, at most ``most`` each, highest first."""

    def tally_counts(self, wanted: Sequence[TallyName], members: Sequence[str]) -> list[Tally]:
        """Read the counts of some members of tallies; those that a tally hasn't got are absent."""
