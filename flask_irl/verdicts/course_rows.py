"""Add up the clients of one slot, and the clients on single routes, a row each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.course_columns import COLUMNS, pack_columns
from flask_irl.behaviour.courses import (
    MINUTE,
    MINUTES,
    MOST_STEPS,
    ROUTES_KEPT,
    SLOT_SECONDS,
    CoursePart,
)
from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.profile import Records
from flask_irl.behaviour.sums import Floats

MOST_WAITING: Final = 4000
"""Clients of a slot that are added up; beyond it those of least interest go."""
MOST_WAITING_ON_ROUTES: Final = 2000
"""Clients on single routes, likewise."""
HIGHEST: Final = 9.0
"""Interest of a flagged client, and of any at most: the logarithm of eight thousand requests."""
ANOMALY: Final = 4.0
"""Interest that a score of -1 adds."""
FADES: Final = 86_400.0 / HIGHEST
"""Seconds in which the interest of a course falls by 1: none outlives a day among others."""
ROW: Final = np.dtype(
    [
        *COLUMNS.descr,
        *(("requests", "<u4"), ("waits", "?"), ("first", "<u4"), ("total", "<u4")),
        ("route", "<u4"),
    ]
)
"""Adds up a client's slot: ``requests`` are all of the slot, ``waits`` tells whether the store is
to be told, ``first`` and ``total`` are those of its profile by then, ``route`` is the place of the
row's route."""
LEFT: Final = ("requests", "lowest", "step", "first", "total", "route")
"""Columns that stay when the store has been told: what interest goes by, the profile's, the
route."""

LimitedRoutes = Callable[[], Collection[str]]
"""Names the routes that have limits of their own, as courses do."""
Name = TypeVar("Name", str, tuple[str, str])


class Requests(NamedTuple):
    """Hold the requests of a flush that are of one slot.

    Attributes:
        minute: The minute of each within its slot.
        weights: The requests that each stands for; 0 for one of another slot.
        refused: The refused requests among those; None where there are none.
    """

    minute: NDArray[np.intp]
    weights: Floats
    refused: Floats | None

    def by(self, groups: NDArray[np.intp], size: int) -> tuple[Floats, Floats | None]:
        """Count them by group and minute, and the refused ones by group, if there are any."""
        cells = groups * MINUTES + self.minute
        minutes = np.bincount(cells, self.weights, size * MINUTES).astype(np.float64)
        refused: Floats | None = None
        if self.refused is not None:
            refused = np.bincount(groups, self.refused, size).astype(np.float64)
        return minutes.reshape(size, MINUTES), refused


def minutes_of(at: Floats) -> NDArray[np.intp]:
    """Give the minutes of times, in seconds since the epoch, within their slots."""
    minutes: NDArray[np.intp] = (at // MINUTE).astype(np.intp) % MINUTES
    return minutes


class Rows(Generic[Name]):
    """Add up rows of one slot, by name.

    Attributes:
        most: Rows that are added up; beyond it those of least interest go.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._place: dict[Name, int] = {}
        self._rows: NDArray[Any] = np.zeros(64, dtype=ROW)

    @property
    def waiting(self) -> bool:
        return bool(self._rows["waits"].any())

    def places(self, names: Sequence[Name]) -> NDArray[np.intp]:
        """Give the rows of names."""
        found: list[int | None] = [*map(self._place.get, names)]
        if None in found:
            if len(self._place) + found.count(None) > self.most:
                self._shrink()
            place = self._place
            found = [place.setdefault(name, len(place)) for name in names]
        if len(self._place) > len(self._rows):
            longer = np.zeros(max(len(self._place), 2 * len(self._rows)), dtype=ROW)
            longer[: len(self._rows)] = self._rows
            self._rows = longer
        return np.array(found, dtype=np.intp)

    def count(
        self,
        places: NDArray[np.intp],
        groups: NDArray[np.intp],
        minutes: Floats,
        refused: Floats | None,
    ) -> None:
        """Add the counts of groups to rows: requests by minute, and refused ones if there are any.

        Args:
            places: The rows.
            groups: The group of each.
            minutes: Counts of :meth:`Requests.by`.
            refused: The others of it.
        """
        minutes = minutes[groups]
        self._rows["minutes"][places] += minutes.astype(np.uint32)
        self._rows["requests"][places] += minutes.sum(axis=1).astype(np.uint32)
        if refused is not None:
            self._rows["refused"][places] += refused[groups].astype(np.uint32)
        self._rows["waits"][places] = True

    def note(self, places: NDArray[np.intp], records: Records) -> None:
        """Note the profiles of clients, by which it is told when they begin anew."""
        for name in ("first", "total"):
            self._rows[name][places] = records[name]

    def drop_forgotten(self, names: Sequence[Name], records: Records) -> list[Name]:
        """Drop and list the names whose clients' profiles have begun anew since they were noted."""
        places = np.array([self._place.get(name, -1) for name in names], dtype=np.intp)
        noted = self._rows[places]
        anew = (records["first"] > noted["first"]) | (records["total"] <= noted["total"])
        anew &= (places >= 0) & (noted["total"] > 0)
        self._rows[places[anew]] = np.zeros(1, dtype=ROW)
        return [names[index] for index in np.flatnonzero(anew).tolist()]

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
        """Compute the interest in rows, 0 to HIGHEST."""
        raise NotImplementedError

    def pressure(self, own: NDArray[np.intp]) -> Floats:
        """Compute how much of rows waits to be told: the logarithm of their requests."""
        pressure: Floats = np.log1p(self._rows["minutes"][own].sum(axis=1))
        return pressure

    def parts(self, number: int, own: NDArray[np.intp], interests: Floats) -> list[CoursePart]:
        names = list(self._place)
        slots = pack_columns(number, self._rows[own])
        ranks: list[float] = (number * SLOT_SECONDS / FADES + interests).round(3).tolist()
        chosen = [names[place] for place in own.tolist()]
        return [self._part(*part) for part in zip(chosen, ranks, slots, strict=True)]

    def remove(self, own: NDArray[np.intp]) -> None:
        left = self._rows[list(LEFT)][own]
        self._rows[own] = np.zeros(1, dtype=ROW)
        for name in LEFT:
            self._rows[name][own] = left[name]

    def _part(self, name: Name, rank: float, slot: bytes) -> CoursePart:
        raise NotImplementedError

    def _shrink(self) -> None:
        """Keep the half of the rows that is of most interest."""
        names = list(self._place)
        kept = np.argsort(-self.interest(np.arange(len(names))), kind="stable")[: self.most // 2]
        self._place = {names[place]: new for new, place in enumerate(kept.tolist())}
        rows = np.zeros(self.most, dtype=ROW)
        rows[: len(kept)] = self._rows[kept]
        self._rows = rows


class ClientRows(Rows[str]):
    """Add up the clients of one slot."""

    def __init__(self) -> None:
        super().__init__(MOST_WAITING)

    def interest(self, own: NDArray[np.intp]) -> Floats:
        """Compute the interest in clients: by their requests, scores and steps, 0 to HIGHEST."""
        rows = self._rows[own]
        found = np.log(np.maximum(rows["requests"], 1)) - ANOMALY * rows["lowest"]
        interest: Floats = np.where(rows["step"] > 0, HIGHEST, np.minimum(found, HIGHEST))
        return interest

    def _part(self, name: str, rank: float, slot: bytes) -> CoursePart:
        return CoursePart(name, rank, slot)


class RouteRows(Rows[tuple[str, str]]):
    """Add up the clients on single routes in one slot, each by client and route.

    Args:
        limited: Names the routes that have limits of their own.
    """

    def __init__(self, limited: LimitedRoutes) -> None:
        super().__init__(MOST_WAITING_ON_ROUTES)
        self._limited = limited
        self._routes: dict[str, int] = {}

    def note_routes(
        self, places: NDArray[np.intp], routes: Sequence[str], of: NDArray[np.intp]
    ) -> None:
        """Note the routes of rows.

        Args:
            places: The rows.
            routes: Names of routes.
            of: For each row, the place of its route among those.
        """
        known = self._routes
        found = np.array([known.setdefault(route, len(known)) for route in routes], dtype=np.intp)
        self._rows["route"][places] = found[of]

    def waiting_rows(self) -> NDArray[np.intp]:
        """Give the rows that wait: those on routes that aren't chosen do no more."""
        own = super().waiting_rows()
        chosen = self._chosen()[self._rows["route"][own]]
        self._rows["waits"][own[~chosen]] = False
        return np.compress(chosen, own)

    def interest(self, own: NDArray[np.intp]) -> Floats:
        """Compute the interest in rows: by their place among those of their route.

        So every route has as many courses as the others, whatever its traffic. Of a route that
        isn't chosen, none is of interest.
        """
        rows = self._rows[: len(self._place)]
        order = np.lexsort((-rows["requests"].astype(np.int64), rows["route"]))
        routes = rows["route"][order]
        begins = np.searchsorted(routes, routes)
        found = np.empty(len(rows))
        found[order] = HIGHEST - np.log1p(np.arange(len(rows)) - begins)
        found[~self._chosen()[rows["route"]]] = 0.0
        interest: Floats = found[own]
        return interest

    def drop(self, clients: AbstractSet[str]) -> None:
        """Drop clients on all routes."""
        gone = [place for (client, _), place in self._place.items() if client in clients]
        self._rows[gone] = np.zeros(1, dtype=ROW)

    def _part(self, name: tuple[str, str], rank: float, slot: bytes) -> CoursePart:
        client, route = name
        return CoursePart(client, rank, slot, route)

    def _chosen(self) -> Mask:
        """Choose the routes: those with limits of their own first, then by requests."""
        chosen = np.zeros(max(len(self._routes), 1), dtype=bool)
        if len(self._routes) <= ROUTES_KEPT:
            return ~chosen
        rows = self._rows[: len(self._place)]
        requests = np.bincount(rows["route"], rows["requests"], len(self._routes))
        limited = self._limited()
        others = np.array([route not in limited for route in self._routes])
        chosen[np.lexsort((-requests, others))[:ROUTES_KEPT]] = True
        return chosen
