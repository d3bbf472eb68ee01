"""Tell requests apart by route and method. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.course_routes import route_name


class Kinds(NamedTuple):
    """Tell requests apart by route and method.

    Attributes:
        of: For each request, the place of its kind.
        routes: The route of each kind.
        methods: The method of each kind.
    """

    of: NDArray[np.intp]
    routes: list[str]
    methods: list[str]

    def by_course(self) -> tuple[list[str], NDArray[np.intp]]:
        """Name the routes as courses do, each once, and give the place of each request's.

        The first name is the empty one, of requests on a route of which no courses are kept.
        """
        place = {"": 0}
        names = map(route_name, self.methods, self.routes)
        of = np.array([place.setdefault(name, len(place)) for name in names], dtype=np.intp)
        return [*place], of[self.of]


def kinds_of(routes: Sequence[str], methods: Sequence[str]) -> Kinds:
    """Tell requests apart, at least one, by route and method."""
    pairs = [*zip(routes, methods, strict=True)]
    place = {pair: n for n, pair in enumerate(dict.fromkeys(pairs))}
    of = np.fromiter(map(place.__getitem__, pairs), dtype=np.intp, count=len(pairs))
    return Kinds(of, [route for route, _ in place], [method for _, method in place])
