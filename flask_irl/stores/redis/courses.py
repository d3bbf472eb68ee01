"""Keep the courses of clients on Redis: a hash of packed slots, and the clients by rank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from flask_irl.behaviour.courses import ALL_SLOTS_KEPT, CLIENTS_KEPT, SLOTS_KEPT, CoursePart
from flask_irl.stores.redis.models import RedisModels
from flask_irl.stores.redis.pipeline import Command
from flask_irl.stores.redis.scripts import read_script

COURSE: Final = read_script("course")
AT_ONCE: Final = 100
"""Courses that one call of the script writes: they are a millisecond of the server's."""
READ_AT_ONCE: Final = 200


class RedisCourses(RedisModels):
    """Keep the courses of clients; see the protocol ``CourseStore``."""

    def course_clients(self) -> list[str]:
        _, ranks = self._course_keys()
        [members] = self._run(("ZRANGE", ranks, 0, -1, "REV"))
        return self._texts(ranks, members)

    def courses(self, clients: Sequence[str]) -> list[bytes]:
        key, _ = self._course_keys()
        found: list[bytes] = []
        for start in range(0, len(clients), READ_AT_ONCE):
            part = clients[start : start + READ_AT_ONCE]
            [values] = self._run(("HMGET", key, *part))
            found += [value or b"" for value in values or [None] * len(part)]
        return found

    def drop_courses(self, clients: Sequence[str]) -> None:
        self._run(*self._course_commands(CoursePart(client, 0.0, b"") for client in clients))

    def clear_courses(self) -> None:
        self._run(*(("DEL", key) for key in self._course_keys()))

    def _course_commands(self, parts: Iterable[CoursePart]) -> list[Command]:
        """List the commands that add to courses."""
        keys = self._course_keys()
        bounds = (CLIENTS_KEPT, ALL_SLOTS_KEPT, SLOTS_KEPT)
        found = [(client, repr(rank), slot) for client, rank, slot in parts]
        return [
            (
                *("EVAL", COURSE.text, len(keys), *keys, *bounds),
                *(word for part in found[start : start + AT_ONCE] for word in part),
            )
            for start in range(0, len(found), AT_ONCE)
        ]

    def _course_keys(self) -> list[bytes]:
        return self._site_key("courses", "courses.ranks")
