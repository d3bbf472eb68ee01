"""Keep the courses of clients in this process, and those of clients on single routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from flask_irl.behaviour.course_routes import names_of
from flask_irl.behaviour.courses import (
    ALL_SLOTS_KEPT,
    CLIENTS_KEPT,
    EXPIRE_SECONDS,
    FORM,
    ROUTE_COURSES_KEPT,
    ROUTE_SLOTS_KEPT,
    SLOTS_KEPT,
    CoursePart,
    add_slot,
    number_of,
)
from flask_irl.stores.courses import NamedSlot, by_kind
from flask_irl.stores.memory.models import MemoryModels

SPARE: Final = 0.1
"""Share of courses more than are kept, at which the lowest go: they are sorted only then."""


class MemoryCourses(MemoryModels):
    """Keep the courses of clients; see the protocol ``CourseStore``.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._courses = _Kept()
        self._on_routes = _Kept()

    def course_clients(self) -> list[str]:
        with self._lock:
            return self._courses.names(self._clock())

    def courses(self, clients: Sequence[str]) -> list[bytes]:
        with self._lock:
            return self._courses.read(clients, self._clock())

    def route_courses(self) -> list[str]:
        with self._lock:
            return self._on_routes.names(self._clock())

    def courses_on_routes(self, names: Sequence[str]) -> list[bytes]:
        with self._lock:
            return self._on_routes.read(names, self._clock())

    def drop_courses(self, clients: Sequence[str]) -> None:
        with self._lock:
            for client in clients:
                self._courses.drop(client)
            for name in names_of(clients, self._on_routes.names(self._clock())):
                self._on_routes.drop(name)

    def clear_courses(self) -> None:
        with self._lock:
            self._courses.clear()
            self._on_routes.clear()

    def _add_courses(self, parts: Sequence[CoursePart]) -> None:
        """Add to courses, while this store is locked."""
        (clients, on_routes), now = by_kind(parts), self._clock()
        self._courses.add(clients, CLIENTS_KEPT, ALL_SLOTS_KEPT, now)
        self._on_routes.add(on_routes, ROUTE_COURSES_KEPT, ROUTE_SLOTS_KEPT, now)


class _Kept:
    """Keep courses of one kind by name, each with its rank."""

    def __init__(self) -> None:
        self.clear()

    def names(self, now: float) -> list[str]:
        """Name the courses, the highest first; equals by name backwards, as Redis does."""
        self._expire(now)
        return self._by_rank()

    def read(self, names: Sequence[str], now: float) -> list[bytes]:
        self._expire(now)
        return [self._courses.get(name, (0.0, b""))[1] for name in names]

    def drop(self, name: str) -> None:
        self._bytes -= len(self._courses.pop(name, (0.0, b""))[1])

    def clear(self) -> None:
        self._courses: dict[str, tuple[float, bytes]] = {}
        self._bytes = 0
        self._newest = 0
        self._added_at = 0.0

    def add(self, slots: Sequence[NamedSlot], most: int, most_slots: int, now: float) -> None:
        """Add packed slots to courses.

        Args:
            slots: The slots.
            most: Courses that are kept.
            most_slots: Slots of all of them.
            now: The time, in seconds since the epoch.
        """
        if not slots:
            return
        self._expire(now)
        self._added_at = now
        before_all, most_bytes = self._newest, most_slots * FORM.size
        for name, rank, slot in slots:
            self._newest = max(self._newest, number_of(slot))
            before, course = self._courses.get(name, (rank, b""))
            longer = add_slot(course, slot)
            self._bytes += len(longer) - len(course)
            self._courses[name] = max(before, rank), longer
        if len(self._courses) > most * (1 + SPARE) or self._bytes > most_bytes:
            for name in self._by_rank()[::-1]:
                if len(self._courses) <= most and self._bytes <= most_bytes:
                    break
                self.drop(name)
        if self._newest > before_all:
            self._drop_past()

    def _expire(self, now: float) -> None:
        if self._courses and now - self._added_at >= EXPIRE_SECONDS:
            self.clear()

    def _drop_past(self) -> None:
        """Drop the lowest courses whose day is over."""
        for name in self._by_rank()[::-1]:
            if number_of(self._courses[name][1][-FORM.size :]) > self._newest - SLOTS_KEPT:
                break
            self.drop(name)

    def _by_rank(self) -> list[str]:
        return sorted(self._courses, key=lambda name: (self._courses[name][0], name), reverse=True)
