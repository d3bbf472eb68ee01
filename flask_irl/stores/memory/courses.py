"""Keep the courses of clients in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from flask_irl.behaviour.courses import (
    ALL_SLOTS_KEPT,
    CLIENTS_KEPT,
    FORM,
    SLOTS_KEPT,
    CoursePart,
    add_slot,
    number_of,
)
from flask_irl.stores.memory.models import MemoryModels

MOST_BYTES: Final = ALL_SLOTS_KEPT * FORM.size
SPARE: Final = CLIENTS_KEPT // 10
"""Clients more than are kept, at which the lowest go: they are sorted now and then only."""


class MemoryCourses(MemoryModels):
    """Keep the courses of clients; see the protocol ``CourseStore``.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        # Each with its rank.
        self._courses: dict[str, tuple[float, bytes]] = {}
        self._course_bytes = 0
        self._newest = 0

    def course_clients(self) -> list[str]:
        with self._lock:
            return self._by_rank()

    def courses(self, clients: Sequence[str]) -> list[bytes]:
        with self._lock:
            return [self._courses.get(client, (0.0, b""))[1] for client in clients]

    def drop_courses(self, clients: Sequence[str]) -> None:
        with self._lock:
            for client in clients:
                self._drop_course(client)

    def clear_courses(self) -> None:
        with self._lock:
            self._courses.clear()
            self._course_bytes = 0

    def _add_courses(self, parts: Sequence[CoursePart]) -> None:
        """Add to courses, while this store is locked."""
        before_all = self._newest
        for client, rank, slot in parts:
            self._newest = max(self._newest, number_of(slot))
            before, course = self._courses.get(client, (rank, b""))
            longer = add_slot(course, slot)
            self._course_bytes += len(longer) - len(course)
            self._courses[client] = max(before, rank), longer
        if len(self._courses) > CLIENTS_KEPT + SPARE or self._course_bytes > MOST_BYTES:
            lowest_first = self._by_rank()[::-1]
            for client in lowest_first:
                if len(self._courses) <= CLIENTS_KEPT and self._course_bytes <= MOST_BYTES:
                    break
                self._drop_course(client)

        if self._newest > before_all:
            self._drop_past()

    def _drop_past(self) -> None:
        """Drop the courses of the lowest clients whose day is over."""
        for client in self._by_rank()[::-1]:
            if number_of(self._courses[client][1][-FORM.size :]) > self._newest - SLOTS_KEPT:
                break
            self._drop_course(client)

    def _drop_course(self, client: str) -> None:
        self._course_bytes -= len(self._courses.pop(client, (0.0, b""))[1])

    def _by_rank(self) -> list[str]:
        """Sort the clients, the highest first; equals by name backwards, as Redis does."""
        return sorted(self._courses, key=lambda c: (self._courses[c][0], c), reverse=True)
