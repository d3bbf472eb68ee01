"""Turn observations into columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.observation import Fields
from flask_irl.behaviour.routes import is_login, rarity_of, route_bin
from flask_irl.behaviour.sums import Floats, answer_of


class Events(NamedTuple):
    """Requests as columns, one entry each, in any order.

    Attributes:
        owner: Index of the client's profile.
        at: Seconds since the epoch.
        gap: Seconds since the client's previous request; -1 unknown.
        rarity: How rare the route is on this site, -log of its share.
        bin: The route's bin, see :func:`route_bin`.
        path: A hash of the path.
        answer: What kind of answer it got, see :mod:`flask_irl.behaviour.features`.
        size: Response bytes; -1 unknown.
        write: Whether the method changes things.
        probe: Whether the method is HEAD, OPTIONS or unheard of.
        refused: Whether the limiter refused it.
        times: How many such requests it stands for.
        login: Whether the route looks like one that people log in by.
    """

    owner: NDArray[np.intp]
    at: Floats
    gap: Floats
    rarity: Floats
    bin: NDArray[np.intp]
    path: NDArray[np.uint64]
    answer: Floats
    size: Floats
    write: Floats
    probe: Floats
    refused: Floats
    times: Floats
    login: Floats


def events_of(
    owners: Sequence[int], observations: Sequence[Fields], rarities: Mapping[str, float]
) -> Events:
    """Observations as columns.

    Args:
        owners: For each observation, the index of its client's profile.
        observations: In any order, at least one.
        rarities: Learned share of each route.
    """
    _, ats, gaps, routes, paths, methods, statuses, sizes, refused, times, _ = zip(
        *observations, strict=True
    )
    rarity = {route: rarity_of(rarities, route) for route in set(routes)}
    bins = {route: route_bin(route) for route in rarity}
    logins = {route: is_login(route) for route in rarity}
    answers = {status: answer_of(status) for status in set(statuses)}
    write, probe = ({m: m not in usual for m in set(methods)} for usual in (READING, USUAL))
    turned_away = np.array(refused, dtype=np.float64)
    return Events(
        np.asarray(owners, dtype=np.intp),
        np.array(ats, dtype=np.float64),
        np.array(gaps, dtype=np.float64),
        np.array([rarity[r] for r in routes], dtype=np.float64),
        np.array([bins[r] for r in routes], dtype=np.intp),
        np.array(paths, dtype=np.uint64),
        np.array([answers[status] for status in statuses], dtype=np.float64),
        np.where(turned_away, -1.0, np.array(sizes, dtype=np.float64)),
        np.array([write[m] for m in methods], dtype=np.float64),
        np.array([probe[m] for m in methods], dtype=np.float64),
        turned_away,
        np.array(times, dtype=np.float64),
        np.array([logins[r] for r in routes], dtype=np.float64),
    )


READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
USUAL: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
