"""Gather the courses of clients, slot by slot, until they are told the store.

All that a flush sees is added up here in columns; the store is told of the clients of interest, the
most active, the flagged and the most anomalous, a hundred every ten seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.course_columns import COLUMNS, pack_columns
from flask_irl.behaviour.courses import (
    MINUTE,
    MINUTES,
    MOST_STEPS,
    SLOT_SECONDS,
    CoursePart,
)
from flask_irl.behaviour.events import Events
from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.profile import Records
from flask_irl.behaviour.sums import Floats
from flask_irl.verdicts.merge import Profiles

TOLD_SECONDS: Final = 10.0
"""Time after which the store is told again, while requests are served."""
MOST_TOLD: Final = 100
"""Clients that it is told of then."""
MOST_WAITING: Final = 4000
"""Clients of a slot that are added up; beyond it those of least interest go."""
SLOTS_WAITING: Final = 2
"""Slots of which something waits to be told: the present one, and the one before."""
HIGHEST: Final = 9.0
"""Interest of a flagged client, and of any at most: the logarithm of eight thousand requests."""
ANOMALY: Final = 4.0
"""Interest that a score of -1 adds."""
FADES: Final = 86_400.0 / HIGHEST
"""Seconds in which the interest of a course falls by 1: none outlives a day among others."""
ROW: Final = np.dtype(
    [*COLUMNS.descr, ("requests", "<u4"), ("waits", "?"), ("first", "<u4"), ("total", "<u4")]
)
"""Adds up a client's slot: ``requests`` are all of the slot, ``waits`` tells whether the store is
to be told, ``first`` and ``total`` are those of its profile by then."""
LEFT: Final = ("requests", "lowest", "step", "first", "total")
"""Columns that stay when the store has been told: what interest goes by, and the profile's."""


class Told(NamedTuple):
    """Hold what the store is about to be told.

    Attributes:
        parts: What is added to courses.
        rows: The clients' rows by slot.
    """

    parts: list[CoursePart]
    rows: Mapping[int, NDArray[np.intp]]


class CourseBook:
    """Hold what is to be told of clients' courses.

    Args:
        clock: Seconds of a clock that is never set.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slots: dict[int, _Rows] = {}
        self._told_at = -math.inf

    def add(
        self, profiles: Profiles, saved: Mask, scores: Floats, steps: NDArray[np.int64]
    ) -> None:
        """Add clients whose profiles were saved.

        Args:
            profiles: The clients, with their steps until now.
            saved: Whether each was saved.
            scores: Their smoothed scores.
            steps: Their steps from now on.
        """
        events, at = profiles.events, profiles.records["updated"]
        slots, numbers = (at // SLOT_SECONDS).astype(np.int64), events.at // SLOT_SECONDS
        self._drop_forgotten(profiles, np.flatnonzero(saved))
        first, last = int(numbers.min()), int(numbers.max())
        for number in range(max(first, last - SLOTS_WAITING + 1), last + 1):
            # Most flushes are within one slot.
            weights = events.times if first == last else events.times * (numbers == number)
            own = np.flatnonzero(saved & ((slots == number) | _has(events.owner, weights, saved)))
            rows = self._slots.setdefault(number, _Rows())
            places = rows.places([profiles.clients[i] for i in own.tolist()])
            rows.count(places, own, events, weights)
            rows.note(places, profiles.records[own])
            judged = slots[own] == number
            own, places = own[judged], places[judged]
            rows.judge(places, scores[own], profiles.steps[own], steps[own], at[own])
        # Later ones than the next are of a clock that was set back since: they would stay for long.
        newest = max(number for number in self._slots if number <= last + 1)
        for other in [*self._slots]:
            if not newest - SLOTS_WAITING < other <= newest:
                del self._slots[other]

    def due(self, *, gently: bool) -> bool:
        """Tell whether the store is to be told now: of something, and in a gentle flush again."""
        if gently and self._clock() - self._told_at < TOLD_SECONDS:
            return False
        return any(rows.waiting for rows in self._slots.values())

    def highest(self, *, gently: bool) -> Told:
        """Give what the store is to be told: of the clients of most interest, gently; else of all.

        Args:
            gently: Whether requests are being served.
        """
        if not self.due(gently=gently):
            return Told([], {})
        waiting = {number: rows.waiting_rows() for number, rows in self._slots.items()}
        interests = {number: self._slots[number].interest(own) for number, own in waiting.items()}
        if gently:
            # Those that wait with much go first: else, of many flagged ones, some would never.
            orders = {n: interests[n] + self._slots[n].pressure(waiting[n]) for n in waiting}
            every = np.concatenate([*orders.values()])
            if len(every) > MOST_TOLD:
                chosen = np.zeros(len(every), dtype=bool)
                chosen[np.argpartition(-every, MOST_TOLD)[:MOST_TOLD]] = True
                start = 0
                for number, own in waiting.items():
                    mine = chosen[start : start + len(own)]
                    start += len(own)
                    waiting[number], interests[number] = own[mine], interests[number][mine]
        parts = [
            part
            for number, own in waiting.items()
            for part in self._slots[number].parts(number, own, interests[number])
        ]
        return Told(parts, waiting)

    def clear(self) -> None:
        """Forget all of it."""
        self._slots.clear()

    def remove(self, told: Told) -> None:
        """Remove what was stored."""
        if told.parts:
            self._told_at = self._clock()
        for number, own in told.rows.items():
            self._slots[number].remove(own)

    def _drop_forgotten(self, profiles: Profiles, own: NDArray[np.intp]) -> None:
        """Drop what clients did before an operator forgot them, in whichever worker."""
        clients = [profiles.clients[i] for i in own.tolist()]
        for rows in self._slots.values():
            rows.drop_forgotten(clients, profiles.records[own])


class _Rows:
    """Add up the clients of one slot, a row each."""

    def __init__(self) -> None:
        self._place: dict[str, int] = {}
        self._rows: NDArray[Any] = np.zeros(64, dtype=ROW)

    @property
    def waiting(self) -> bool:
        return bool(self._rows["waits"].any())

    def places(self, clients: Sequence[str]) -> NDArray[np.intp]:
        """Give the rows of clients."""
        if len(self._place) + len(clients) > MOST_WAITING:
            self._shrink()
        place = self._place
        found: list[int | None] = [*map(place.get, clients)]
        if None in found:
            found = [place.setdefault(c, len(place)) for c in clients]
        if len(place) > len(self._rows):
            longer = np.zeros(max(len(place), 2 * len(self._rows)), dtype=ROW)
            longer[: len(self._rows)] = self._rows
            self._rows = longer
        return np.array(found, dtype=np.intp)

    def count(
        self, places: NDArray[np.intp], own: NDArray[np.intp], events: Events, weights: Floats
    ) -> None:
        """Add requests, each by its weight, to the rows of clients."""
        size = int(own.max(initial=-1)) + 1
        cells = events.owner * MINUTES + (events.at // MINUTE % MINUTES).astype(np.intp)
        counts = np.bincount(cells, weights, size * MINUTES)[: size * MINUTES]
        counts = counts.reshape(size, MINUTES)[own]
        self._rows["minutes"][places] += counts.astype(np.uint32)
        self._rows["requests"][places] += counts.sum(axis=1).astype(np.uint32)
        if events.refused.any():
            refused = np.bincount(events.owner, weights * events.refused, size)[own]
            self._rows["refused"][places] += refused.astype(np.uint32)
        self._rows["waits"][places] = True

    def note(self, places: NDArray[np.intp], records: Records) -> None:
        """Note the profiles of clients, by which it is told when they begin anew."""
        for name in ("first", "total"):
            self._rows[name][places] = records[name]

    def drop_forgotten(self, clients: Sequence[str], records: Records) -> None:
        """Drop the clients whose profiles have begun anew since they were noted."""
        places = np.array([self._place.get(client, -1) for client in clients], dtype=np.intp)
        noted = self._rows[places]
        anew = (records["first"] > noted["first"]) | (records["total"] <= noted["total"])
        self._rows[places[(places >= 0) & anew]] = np.zeros(1, dtype=ROW)

    def judge(
        self,
        places: NDArray[np.intp],
        scores: Floats,
        before: NDArray[np.int64],
        after: NDArray[np.int64],
        at: Floats,
    ) -> None:
        """Note scores and steps, and the moments of those that were flagged or relieved."""
        rows = self._rows
        rows["lowest"][places] = np.minimum(rows["lowest"][places], scores)
        if not before.any() and not after.any():
            return
        highest = np.minimum(np.maximum(before, after), MOST_STEPS)
        rows["step"][places] = np.maximum(rows["step"][places], highest)
        for index in np.flatnonzero((before > 0) != (after > 0)).tolist():
            row = rows[int(places[index])]
            if not before[index]:
                row["flagged_at"] = row["flagged_at"] or at[index]
            else:
                row["relieved_at"] = at[index]

    def waiting_rows(self) -> NDArray[np.intp]:
        return np.flatnonzero(self._rows["waits"])

    def interest(self, own: NDArray[np.intp]) -> Floats:
        """Compute the interest in clients: by their requests, scores and steps, 0 to HIGHEST."""
        rows = self._rows[own]
        found = np.log(np.maximum(rows["requests"], 1)) - ANOMALY * rows["lowest"]
        interest: Floats = np.where(rows["step"] > 0, HIGHEST, np.minimum(found, HIGHEST))
        return interest

    def pressure(self, own: NDArray[np.intp]) -> Floats:
        """Compute how much of clients waits to be told: the logarithm of their requests."""
        pressure: Floats = np.log1p(self._rows["minutes"][own].sum(axis=1))
        return pressure

    def parts(self, number: int, own: NDArray[np.intp], interests: Floats) -> list[CoursePart]:
        names = list(self._place)
        slots = pack_columns(number, self._rows[own])
        ranks = (number * SLOT_SECONDS / FADES + interests).round(3).tolist()
        clients = [names[place] for place in own.tolist()]
        return [*map(CoursePart, clients, ranks, slots)]

    def remove(self, own: NDArray[np.intp]) -> None:
        left = self._rows[list(LEFT)][own]
        self._rows[own] = np.zeros(1, dtype=ROW)
        for name in LEFT:
            self._rows[name][own] = left[name]

    def _shrink(self) -> None:
        """Keep the half of the clients that is of most interest."""
        names = list(self._place)
        kept = np.argsort(-self.interest(np.arange(len(names))), kind="stable")[: MOST_WAITING // 2]
        self._place = {names[place]: new for new, place in enumerate(kept.tolist())}
        rows = np.zeros(MOST_WAITING, dtype=ROW)
        rows[: len(kept)] = self._rows[kept]
        self._rows = rows


def _has(owners: NDArray[np.intp], weights: Floats, saved: Mask) -> Mask:
    """Tell which clients have requests of any weight."""
    return np.bincount(owners, weights, len(saved)) > 0
