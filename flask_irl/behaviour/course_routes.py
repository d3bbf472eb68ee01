"""Name the routes that courses tell apart: a method and a rule each. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Methods of which courses are kept; HEAD counts as GET."""
UNMATCHED: Final = "unmatched"
MOST_ROUTE: Final = 100
"""Bytes of a rule; a longer one goes by its hash."""


def route_name(method: str, route: str) -> str:
    """Name a route; empty for one of which no courses are kept.

    Args:
        method: The requests' method.
        route: Their rule, or ``"unmatched"``.
    """
    method = "GET" if method == "HEAD" else method
    return _named(method, route) if method in METHODS and route != UNMATCHED else ""


@lru_cache(4096)
def _named(method: str, route: str) -> str:
    data = route.encode(errors="replace")
    if len(data) > MOST_ROUTE or not route.isprintable():
        route = f"#{hashlib.blake2b(data, digest_size=16).hexdigest()}"
    return f"{method} {route}"


def course_name(client: str, route: str) -> str:
    """Name the course of a client on a route: no client's key has a space."""
    return f"{client} {route}"


def read_course_name(name: str) -> tuple[str, str]:
    """Read the client and the route of a course; the route is empty where it is none's."""
    client, _, route = name.partition(" ")
    method, _, rule = route.partition(" ")
    return client, route if method in METHODS and rule else ""


def names_of(clients: Collection[str], names: Iterable[str]) -> list[str]:
    """List the courses, of those with these names, that are of some clients."""
    wanted = set(clients)
    return [name for name in names if read_course_name(name)[0] in wanted]
