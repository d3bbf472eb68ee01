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

from flask_irl.behaviour.courses import (
    MINUTE,
    MINUTES,
    SLOT_SECONDS,
    CoursePart,
    Slot,
    pack,
)
from flask_irl.behaviour.harm import Mask
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
COLUMN: Final = np.dtype(
    [
        ("minutes", "<u4", (MINUTES,)),
        ("refused", "<u4"),
        ("requests", "<u4"),
        ("lowest", "<f4"),
        ("step", "u1"),
        ("flagged_at", "<f8"),
        ("relieved_at", "<f8"),
        ("waits", "?"),
    ]
)
"""What is added up of a client in a slot: as in ``Slot``, but for ``requests``, which is all of the
slot, and ``waits``: whether the store is to be told. Moments are 0 for never."""
LEFT: Final = ("requests", "lowest", "step")
"""Columns that stay when the store has been told: what interest goes by."""


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
        events = profiles.events
        minutes = (events.at // MINUTE).astype(np.int64)
        numbers = minutes // MINUTES
        latest = (profiles.records["updated"] // SLOT_SECONDS).astype(np.int64)
        first, last = int(numbers.min()), int(numbers.max())
        for number in range(max(first, last - SLOTS_WAITING + 1), last + 1):
            rows = self._slots.get(number)
            if rows is None:
                rows = self._slots[number] = _Rows()
            # Most flushes are within one slot.
            inside = saved[events.owner] & (numbers == number)
            judged = saved & (latest == number)
            touched = judged.copy()
            touched[events.owner[inside]] = True
            chosen = np.flatnonzero(touched)
            places = np.zeros(len(saved), dtype=np.intp)
            places[chosen] = rows.places([profiles.clients[i] for i in chosen.tolist()])
            rows.count(
                places[events.owner[inside]],
                minutes[inside] % MINUTES,
                events.times[inside],
                events.refused[inside],
            )
            here = np.flatnonzero(judged)
            rows.judge(places[here], scores[here], profiles.steps[here], steps[here])
            rows.move(
                places[here], profiles.steps[here], steps[here], profiles.records["updated"][here]
            )
        for old in sorted(self._slots)[:-SLOTS_WAITING]:
            del self._slots[old]

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


class _Rows:
    """Add up the clients of one slot, a row each."""

    def __init__(self) -> None:
        self._place: dict[str, int] = {}
        self._rows: NDArray[Any] = np.zeros(64, dtype=COLUMN)

    @property
    def waiting(self) -> bool:
        return bool(self._rows["waits"].any())

    def places(self, clients: Sequence[str]) -> NDArray[np.intp]:
        """Give the rows of clients."""
        if len(self._place) + len(clients) > MOST_WAITING:
            self._shrink()
        place = self._place
        found = np.array([place.setdefault(c, len(place)) for c in clients], dtype=np.intp)
        if len(place) > len(self._rows):
            longer = np.zeros(max(len(place), 2 * len(self._rows)), dtype=COLUMN)
            longer[: len(self._rows)] = self._rows
            self._rows = longer
        return found

    def count(
        self, own: NDArray[np.intp], minutes: NDArray[np.int64], times: Floats, refused: Floats
    ) -> None:
        counts = times.astype(np.uint32)
        np.add.at(self._rows["minutes"], (own, minutes), counts)
        np.add.at(self._rows["requests"], own, counts)
        if refused.any():
            np.add.at(self._rows["refused"], own, np.where(refused > 0, counts, 0))
        self._rows["waits"][own] = True

    def judge(
        self,
        own: NDArray[np.intp],
        scores: Floats,
        before: NDArray[np.int64],
        after: NDArray[np.int64],
    ) -> None:
        rows = self._rows
        rows["lowest"][own] = np.minimum(rows["lowest"][own], scores)
        rows["step"][own] = np.maximum(
            rows["step"][own], np.clip(np.maximum(before, after), 0, 255)
        )

    def move(
        self,
        own: NDArray[np.intp],
        before: NDArray[np.int64],
        after: NDArray[np.int64],
        at: Floats,
    ) -> None:
        """Note the moments of those that are flagged now, or have their full limit again."""
        moved = np.flatnonzero((before > 0) != (after > 0))
        for index in moved.tolist():
            row = self._rows[int(own[index])]
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
        found = []
        begins = number * SLOT_SECONDS / FADES
        for place, interest in zip(own.tolist(), interests.tolist(), strict=True):
            row = self._rows[place]
            slot = Slot(
                number,
                tuple(row["minutes"].tolist()),
                int(row["refused"]),
                float(row["lowest"]),
                int(row["step"]),
                float(row["flagged_at"]) or None,
                float(row["relieved_at"]) or None,
            )
            found.append(CoursePart(names[place], round(begins + interest, 3), pack(slot)))
        return found

    def remove(self, own: NDArray[np.intp]) -> None:
        left = self._rows[list(LEFT)][own]
        self._rows[own] = np.zeros(1, dtype=COLUMN)
        for name in LEFT:
            self._rows[name][own] = left[name]

    def _shrink(self) -> None:
        """Keep the half of the clients that is of most interest."""
        names = list(self._place)
        kept = np.argsort(-self.interest(np.arange(len(names))), kind="stable")[: MOST_WAITING // 2]
        self._place = {names[place]: new for new, place in enumerate(kept.tolist())}
        rows = np.zeros(MOST_WAITING, dtype=COLUMN)
        rows[: len(kept)] = self._rows[kept]
        self._rows = rows
