"""Define the protocol of the courses of clients over the last day, of all requests and by route."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from flask_irl.behaviour.course_routes import course_name
from flask_irl.behaviour.courses import CoursePart


class NamedSlot(NamedTuple):
    """Describe a slot of a course by the course's name and rank."""

    name: str
    rank: float
    slot: bytes


def by_kind(parts: Iterable[CoursePart]) -> tuple[list[NamedSlot], list[NamedSlot]]:
    """Name the slots of clients' courses, and those of clients on single routes."""
    clients: list[NamedSlot] = []
    on_routes: list[NamedSlot] = []
    for client, rank, slot, route in parts:
        if route:
            on_routes.append(NamedSlot(course_name(client, route), rank, slot))
        else:
            clients.append(NamedSlot(client, rank, slot))
    return clients, on_routes


class CourseStore(Protocol):
    """Keep the courses of a bounded number of clients; off every request's path.

    Courses of clients on single routes are kept apart from those, with bounds of their own. All
    of either kind go when nothing is added for two days. Parts are added by
    ``SiteStore.add_counts``, in a :class:`~flask_irl.stores.history.History`. Every method may
    raise :class:`~flask_irl.errors.StoreError`.
    """

    def course_clients(self) -> list[str]:
        """List the clients whose courses are kept, those that ranked highest first."""

    def courses(self, clients: Sequence[str]) -> list[bytes]:
        """Read the courses of clients, see :mod:`flask_irl.behaviour.courses`; empty for none."""

    def route_courses(self) -> list[str]:
        """List the courses that are kept of clients on single routes, the highest first.

        Each by its name, see :func:`~flask_irl.behaviour.course_routes.course_name`.
        """

    def courses_on_routes(self, names: Sequence[str]) -> list[bytes]:
        """Read courses of clients on single routes, by their names; empty for none."""

    def drop_courses(self, clients: Sequence[str]) -> None:
        """Forget the courses of clients, those on single routes with them."""

    def clear_courses(self) -> None:
        """Forget all courses."""
