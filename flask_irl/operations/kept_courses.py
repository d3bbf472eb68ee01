"""Compute what limits and thresholds would have done, over the courses of clients. Pure but for
the reading of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.course_columns import PACKED
from flask_irl.behaviour.course_routes import read_course_name
from flask_irl.behaviour.courses import (
    FORM,
    MINUTE,
    MINUTES,
    SCORE_PARTS,
    SLOT_SECONDS,
    SLOTS_KEPT,
    bounded,
    slot_of,
)
from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.sums import Floats
from flask_irl.limits.keys import canonical
from flask_irl.stores.base import Store


@dataclass(frozen=True, slots=True)
class KeptCourses:
    """Hold the courses of the last day.

    Attributes:
        clients: Keys of the clients with a slot in it.
        owner: For each slot, the place of its client; rising.
        number: Number of each slot.
        minutes: Requests of its minutes, a row for each of the five.
        low: Its lowest score, 0 to -1.
        step: Its highest step.
    """

    clients: list[str]
    owner: NDArray[np.intp]
    number: NDArray[np.int64]
    minutes: Floats
    low: Floats
    step: NDArray[np.int64]

    def of(self, wanted: Sequence[str]) -> KeptCourses:
        """Give those of some clients."""
        chosen = set(wanted)
        return self._some(np.array([client in chosen for client in self.clients], dtype=bool))

    def without(self, unwanted: Sequence[str]) -> KeptCourses:
        """Give those of all other clients."""
        left = set(unwanted)
        return self._some(np.array([client not in left for client in self.clients], dtype=bool))

    def recent(self, before: int, last: int) -> KeptCourses:
        """Give the slots after one and up to another, by their numbers, and their clients."""
        inside = (self.number > before) & (self.number <= last)
        if not inside.all():
            own = np.flatnonzero(inside)
            return self._slots(own)._with_slots()
        return self._with_slots()

    def requests(self) -> NDArray[np.int64]:
        """Count each client's requests."""
        return self._by_client(self.minutes.sum(axis=0)).astype(np.int64)

    def lowest(self) -> Floats:
        """Give each client's lowest score, 0 to -1."""
        found = np.zeros(len(self.clients))
        np.minimum.at(found, self.owner, self.low)
        return found

    def highest_step(self) -> NDArray[np.int64]:
        """Give each client's highest step."""
        found = np.zeros(len(self.clients), dtype=np.int64)
        np.maximum.at(found, self.owner, self.step)
        return found

    def lowest_at(self) -> Floats:
        """Give the beginning of the latest slot in which each client's score was lowest."""
        is_lowest = self.low == self.lowest()[self.owner]
        found = np.zeros(len(self.clients))
        found[self.owner[is_lowest]] = self.number[is_lowest] * SLOT_SECONDS
        return found

    def excess(self, amount: int, window_seconds: int, factors: Sequence[float]) -> Floats:
        """Count each client's requests beyond a limit, as a fixed window would refuse them.

        Counts are of minutes: within one, and within a shorter window, requests count as even. A
        client keeps the share of its step: in a window of several, by its requests at each.

        Args:
            amount: Requests per window.
            window_seconds: The window.
            factors: Share of the limit at each step.
        """
        shares = np.asarray(factors, dtype=np.float64)[np.minimum(self.step, len(factors) - 1)]
        if window_seconds <= MINUTE:
            allowed = amount * (MINUTE / window_seconds) * shares
            return self._by_client(np.maximum(self.minutes - allowed, 0.0).sum(axis=0))
        minutes = self.number[:, None] * MINUTES + np.arange(MINUTES)
        windows = (minutes * MINUTE // window_seconds).ravel()
        owners = np.repeat(self.owner, MINUTES)
        if not len(owners):
            return np.zeros(len(self.clients))
        begins = _begins(owners, windows)
        total = np.add.reduceat(self.minutes.T.ravel(), begins)
        kept = np.add.reduceat((self.minutes * shares).T.ravel(), begins)
        share = np.divide(kept, total, out=np.ones_like(total), where=total > 0)
        beyond = np.maximum(total - amount * share, 0.0)
        return np.bincount(owners[begins], beyond, len(self.clients)).astype(np.float64)

    def added_up(self) -> KeptCourses:
        """Add up the slots of clients that are there several times: those on several routes."""
        place = {client: n for n, client in enumerate(dict.fromkeys(self.clients))}
        same = np.array([place[client] for client in self.clients], dtype=np.intp)
        owner = same[self.owner]
        order = np.lexsort((self.number, owner))
        owner, number = owner[order], self.number[order]
        if not len(owner):
            return self
        begins = _begins(owner, number)
        return KeptCourses(
            [*place],
            owner[begins],
            number[begins],
            np.add.reduceat(self.minutes[:, order], begins, axis=1),
            np.minimum.reduceat(self.low[order], begins),
            np.maximum.reduceat(self.step[order], begins),
        )

    def _by_client(self, values: Floats) -> Floats:
        return np.bincount(self.owner, values, len(self.clients)).astype(np.float64)

    def _with_slots(self) -> KeptCourses:
        present = np.zeros(len(self.clients), dtype=bool)
        present[self.owner] = True
        return self._some(present)

    def _some(self, chosen: Mask) -> KeptCourses:
        if chosen.all():
            return self
        clients = [client for client, is_one in zip(self.clients, chosen, strict=True) if is_one]
        own = np.flatnonzero(chosen[self.owner])
        places = np.cumsum(chosen) - 1
        return replace(self._slots(own), clients=clients, owner=places[self.owner[own]])

    def _slots(self, own: NDArray[np.intp]) -> KeptCourses:
        return KeptCourses(
            self.clients,
            self.owner[own],
            self.number[own],
            self.minutes[:, own],
            self.low[own],
            self.step[own],
        )


def read_courses(store: Store) -> KeptCourses:
    """Read the courses of all clients over the last day; a key that could be none is left out.

    Raises:
        StoreError: The store failed.
    """
    names = [name for name in store.course_clients() if canonical(name) == name]
    return _decoded(store, names, store.courses(names))


def read_courses_on(store: Store, routes: Collection[str]) -> tuple[KeptCourses, set[str]]:
    """Read the courses of clients on some routes over the last day, those of each client as one.

    Args:
        store: The store.
        routes: The routes, as courses name them.

    Returns:
        The courses, and the routes of which there are any.

    Raises:
        StoreError: The store failed.
    """
    chosen: dict[str, tuple[str, str]] = {}
    for name in store.route_courses():
        client, route = read_course_name(name)
        if route in routes and canonical(client) == client:
            chosen[name] = client, route
    clients = [client for client, _ in chosen.values()]
    courses = _decoded(store, clients, store.courses_on_routes([*chosen]))
    return courses.added_up(), {route for _, route in chosen.values()}


def _begins(owner: NDArray[np.intp], part: NDArray[np.int64]) -> NDArray[np.intp]:
    """Find where each owner's each part begins, in columns sorted by both, at least one row."""
    return np.flatnonzero(np.concatenate([[True], (np.diff(owner) != 0) | (np.diff(part) != 0)]))


def _decoded(store: Store, clients: list[str], packed: Sequence[bytes]) -> KeptCourses:
    """Decode courses of clients, the slots of the last day."""
    last = slot_of(store.now())
    size = FORM.size
    blobs = [bounded(blob) for blob in packed]
    slots = np.frombuffer(b"".join(blobs), dtype=PACKED)
    courses = KeptCourses(
        clients,
        np.repeat(np.arange(len(clients)), [len(blob) // size for blob in blobs]),
        slots["number"].astype(np.int64),
        np.ascontiguousarray(slots["minutes"].T, dtype=np.float64),
        slots["lowest"] / -SCORE_PARTS,
        slots["step"].astype(np.int64),
    )
    return courses.recent(last - SLOTS_KEPT, last)
