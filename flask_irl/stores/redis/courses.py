"""Keep the courses of clients on Redis: a hash of packed slots, and the clients by rank.

Those of clients on single routes are kept in another such pair, by the same script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from flask_irl.behaviour.course_routes import names_of
from flask_irl.behaviour.courses import (
    ALL_SLOTS_KEPT,
    CLIENTS_KEPT,
    EXPIRE_SECONDS,
    ROUTE_COURSES_KEPT,
    ROUTE_SLOTS_KEPT,
    SLOTS_KEPT,
    CoursePart,
)
from flask_irl.stores.courses import NamedSlot, by_kind
from flask_irl.stores.redis.models import RedisModels
from flask_irl.stores.redis.pipeline import Command
from flask_irl.stores.redis.scripts import read_script

COURSE: Final = read_script("course")
AT_ONCE: Final = 100
"""Courses that one call of the script writes: they are a millisecond of the server's."""
READ_AT_ONCE: Final = 200
CLIENTS: Final = "courses"
ROUTES: Final = "courses.routes"
"""Names of the keys of either kind; those of the ranks end in ``.ranks``."""


class RedisCourses(RedisModels):
    """Keep the courses of clients; see the protocol ``CourseStore``."""

    def course_clients(self) -> list[str]:
        return self._course_names(CLIENTS)

    def courses(self, clients: Sequence[str]) -> list[bytes]:
        return self._read_courses(CLIENTS, clients)

    def route_courses(self) -> list[str]:
        return self._course_names(ROUTES)

    def courses_on_routes(self, names: Sequence[str]) -> list[bytes]:
        return self._read_courses(ROUTES, names)

    def drop_courses(self, clients: Sequence[str]) -> None:
        on_routes = names_of(clients, self._course_names(ROUTES))
        # An empty slot has the script drop the course.
        self._run(
            *self._add_commands(CLIENTS, [NamedSlot(client, 0.0, b"") for client in clients]),
            *self._add_commands(ROUTES, [NamedSlot(name, 0.0, b"") for name in on_routes]),
        )

    def clear_courses(self) -> None:
        keys = (*self._course_keys(CLIENTS), *self._course_keys(ROUTES))
        self._run(*(("DEL", key) for key in keys))

    def _course_commands(self, parts: Iterable[CoursePart]) -> list[Command]:
        """List the commands that add to courses."""
        clients, on_routes = by_kind(parts)
        return [*self._add_commands(CLIENTS, clients), *self._add_commands(ROUTES, on_routes)]

    def _add_commands(self, kind: str, slots: Sequence[NamedSlot]) -> list[Command]:
        keys = self._course_keys(kind)
        bounds = (
            (CLIENTS_KEPT, ALL_SLOTS_KEPT)
            if kind == CLIENTS
            else (ROUTE_COURSES_KEPT, ROUTE_SLOTS_KEPT)
        )
        found = [(name, repr(rank), slot) for name, rank, slot in slots]
        return [
            (
                *("EVAL", COURSE.text, len(keys), *keys, *bounds, SLOTS_KEPT, EXPIRE_SECONDS),
                *(word for part in found[start : start + AT_ONCE] for word in part),
            )
            for start in range(0, len(found), AT_ONCE)
        ]

    def _course_names(self, kind: str) -> list[str]:
        _, ranks = self._course_keys(kind)
        [members] = self._run(("ZRANGE", ranks, 0, -1, "REV"))
        return self._texts(ranks, members)

    def _read_courses(self, kind: str, names: Sequence[str]) -> list[bytes]:
        key, _ = self._course_keys(kind)
        found: list[bytes] = []
        for start in range(0, len(names), READ_AT_ONCE):
            part = names[start : start + READ_AT_ONCE]
            [values] = self._run(("HMGET", key, *part))
            found += [value or b"" for value in values or [None] * len(part)]
        return found

    def _course_keys(self, kind: str) -> list[bytes]:
        return self._site_key(kind, f"{kind}.ranks")
