"""Gather the courses of clients, slot by slot, until they are told the store.

All that a flush sees is added up here in columns; the store is told of the clients of interest, the
most active, the flagged and the most anomalous, a hundred every ten seconds; and of as many clients
on single routes, the most active ones on each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.courses import SLOT_SECONDS, CoursePart
from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.sums import Floats
from flask_irl.verdicts.course_rows import (
    ClientRows,
    LimitedRoutes,
    Requests,
    RouteRows,
    Rows,
    minutes_of,
)
from flask_irl.verdicts.merge import Profiles

TOLD_SECONDS: Final = 10.0
"""Time after which the store is told again, while requests are served."""
MOST_TOLD: Final = 100
"""Clients that it is told of then, and clients on single routes."""
SLOTS_WAITING: Final = 2
"""Slots of which something waits to be told: the present one, and the one before."""

DENSE: Final = 50
"""Keys for each request up to which a table of all is quicker than to sort those of requests."""

Places = Mapping[int, NDArray[np.intp]]
"""Rows by slot."""


class Told(NamedTuple):
    """Hold what the store is about to be told.

    Attributes:
        parts: What is added to courses.
        rows: The clients' rows by slot.
        on_routes: The rows of clients on single routes.
    """

    parts: list[CoursePart]
    rows: Places
    on_routes: Places


class Judged(NamedTuple):
    """Hold what a flush has found out about its clients.

    Attributes:
        scores: Their smoothed scores.
        before: Their steps until then.
        after: Their steps from then on.
        at: The time of the latest request of each, in seconds since the epoch.
        slots: The slot of that.
    """

    scores: Floats
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    at: Floats
    slots: NDArray[np.int64]


class CourseBook:
    """Hold what is to be told of clients' courses.

    Args:
        clock: Seconds of a clock that is never set.
        limited: Names the routes that have limits of their own, as courses do.
    """

    def __init__(self, clock: Callable[[], float], limited: LimitedRoutes = tuple) -> None:
        self._clock = clock
        self._slots = _Slots(ClientRows)
        self._on_routes = _Slots(lambda: RouteRows(limited))
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
        judged = Judged(scores, profiles.steps, steps, at, slots)
        self._drop_forgotten(profiles, np.flatnonzero(saved))
        minute, any_refused = minutes_of(events.at), bool(events.refused.any())
        first, last = int(numbers.min()), int(numbers.max())
        for number in range(max(first, last - SLOTS_WAITING + 1), last + 1):
            # Most flushes are within one slot.
            weights = events.times if first == last else events.times * (numbers == number)
            refused = weights * events.refused if any_refused else None
            requests = Requests(minute, weights, refused)
            own = np.flatnonzero(saved & ((slots == number) | _has(events.owner, weights, saved)))
            rows = self._slots.at(number)
            places = rows.places([profiles.clients[i] for i in own.tolist()])
            rows.count(places, own, *requests.by(events.owner, len(saved)))
            _note(rows, places, own, profiles, judged, number)
            self._add_on_routes(profiles, saved, requests, judged, number)
        self._slots.keep_latest(last)
        self._on_routes.keep_latest(last)

    def _add_on_routes(
        self, profiles: Profiles, saved: Mask, requests: Requests, judged: Judged, number: int
    ) -> None:
        """Add the requests of a slot to the rows of their clients on each route."""
        clients, (names, route) = profiles.clients, profiles.kinds.by_course()
        keys = profiles.events.owner * len(names) + route
        found, groups = _groups(keys, len(clients) * len(names))
        own, of = np.divmod(found, len(names))
        counts = requests.by(groups, len(found))
        chosen = np.flatnonzero((of > 0) & saved[own] & counts[0].any(axis=1))
        if not len(chosen):
            return
        own, of = own[chosen], of[chosen]
        rows = self._on_routes.at(number)
        places = rows.places(
            [(clients[i], names[n]) for i, n in zip(own.tolist(), of.tolist(), strict=True)]
        )
        rows.note_routes(places, names, of)
        rows.count(places, chosen, *counts)
        _note(rows, places, own, profiles, judged, number)

    def due(self, *, gently: bool) -> bool:
        """Tell whether the store is to be told now: of something, and in a gentle flush again."""
        if gently and self._clock() - self._told_at < TOLD_SECONDS:
            return False
        return self._slots.waiting or self._on_routes.waiting

    def highest(self, *, gently: bool) -> Told:
        """Give what the store is to be told: of the clients of most interest, gently; else of all.

        Args:
            gently: Whether requests are being served.
        """
        if not self.due(gently=gently):
            return Told([], {}, {})
        parts, rows = self._slots.highest(gently=gently)
        more, on_routes = self._on_routes.highest(gently=gently)
        return Told(parts + more, rows, on_routes)

    def clear(self) -> None:
        """Forget all of it."""
        self._slots.clear()
        self._on_routes.clear()

    def remove(self, told: Told) -> None:
        """Remove what was stored."""
        if told.parts:
            self._told_at = self._clock()
        self._slots.remove(told.rows)
        self._on_routes.remove(told.on_routes)

    def _drop_forgotten(self, profiles: Profiles, own: NDArray[np.intp]) -> None:
        """Drop what clients did before an operator forgot them, in whichever worker."""
        clients, gone = [profiles.clients[i] for i in own.tolist()], set[str]()
        for rows in self._slots.all():
            gone.update(rows.drop_forgotten(clients, profiles.records[own]))
        if gone:
            for on_routes in self._on_routes.all():
                on_routes.drop(gone)


OfSlot = TypeVar("OfSlot", bound=Rows[Any])


class _Slots(Generic[OfSlot]):
    """Hold rows by the number of their slot.

    Args:
        make: Makes those of a slot.
    """

    def __init__(self, make: Callable[[], OfSlot]) -> None:
        self._make = make
        self._slots: dict[int, OfSlot] = {}

    @property
    def waiting(self) -> bool:
        return any(rows.waiting for rows in self._slots.values())

    def all(self) -> Collection[OfSlot]:
        return self._slots.values()

    def at(self, number: int) -> OfSlot:
        rows = self._slots.get(number)
        if rows is None:
            rows = self._slots[number] = self._make()
        return rows

    def keep_latest(self, last: int) -> None:
        """Keep the latest slots, up to the one after a number."""
        # Later ones than the next are of a clock that was set back since: they would stay for long.
        newest = max((number for number in self._slots if number <= last + 1), default=last)
        for other in [*self._slots]:
            if not newest - SLOTS_WAITING < other <= newest:
                del self._slots[other]

    def highest(self, *, gently: bool) -> tuple[list[CoursePart], Places]:
        """Give what the store is to be told; see :meth:`CourseBook.highest`."""
        waiting = {number: rows.waiting_rows() for number, rows in self._slots.items()}
        interests = {number: self._slots[number].interest(own) for number, own in waiting.items()}
        if gently and waiting:
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
        return parts, waiting

    def remove(self, told: Places) -> None:
        for number, own in told.items():
            self._slots[number].remove(own)

    def clear(self) -> None:
        self._slots.clear()


def _note(
    rows: Rows[Any],
    places: NDArray[np.intp],
    own: NDArray[np.intp],
    profiles: Profiles,
    judged: Judged,
    number: int,
) -> None:
    """Note the profiles of rows' clients, and the verdicts on those last seen in the slot."""
    rows.note(places, profiles.records[own])
    lasts = judged.slots[own] == number
    own, places = own[lasts], places[lasts]
    rows.judge(places, judged.scores[own], judged.before[own], judged.after[own], judged.at[own])


def _has(owners: NDArray[np.intp], weights: Floats, saved: Mask) -> Mask:
    """Tell which clients have requests of any weight."""
    return np.bincount(owners, weights, len(saved)) > 0


def _groups(keys: NDArray[np.intp], size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the different keys, below a size, and the place of each one among those."""
    if size > DENSE * len(keys):
        return np.unique(keys, return_inverse=True)
    place = np.zeros(size, dtype=np.intp)
    place[keys] = 1
    found = np.flatnonzero(place)
    place[found] = np.arange(len(found))
    return found, place[keys]
