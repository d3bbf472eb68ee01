"""Turn observations into columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.kinds import Kinds, kinds_of
from flask_irl.behaviour.observation import BY_NAME, FAILED_LOGIN, LOGIN, Fields
from flask_irl.behaviour.routes import is_login, rarity_of, route_bin
from flask_irl.behaviour.sums import DENIED, FINE, Floats, answer_of

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
USUAL: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
SMALL_ANSWER: Final = 1024.0
"""Bytes: a receipt, such as the number of a measurement or the state of a saved draft, is smaller;
APIs that read by POST answer with more."""


class Events(NamedTuple):
    """Hold requests as columns, one entry each, in any order.

    Attributes:
        owner: Index of the client's profile.
        at: Seconds since the epoch.
        gap: Seconds since the client's previous request; -1 unknown.
        rarity: Rarity of the route on this site, -log of its share.
        bin: The route's bin, see :func:`route_bin`.
        path: A hash of the path.
        answer: Kind of the answer, see :func:`flask_irl.behaviour.sums.answer_of`.
        size: Response bytes; -1 unknown.
        write: 1 where the method changes things, or a login failed, else 0.
        probe: 1 where the method is HEAD, OPTIONS or unheard of, else 0.
        refused: 1 where the limiter refused it, else 0.
        times: The number of such requests that it stands for.
        login: 1 where the request logs in, by its route's name or by the app's word, else 0.
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
    owners: Sequence[int],
    observations: Sequence[Fields],
    shares: Mapping[str, float],
    rest: Callable[[], object] = lambda: None,
) -> Events:
    """Turn observations into columns.

    Args:
        owners: For each observation, the index of its client's profile.
        observations: In any order, at least one.
        shares: Learned share of each route among the site's requests, 0 to 1.
        rest: Is called between two steps.
    """
    return kinds_and_events(owners, observations, shares, rest)[1]


def kinds_and_events(
    owners: Sequence[int],
    observations: Sequence[Fields],
    shares: Mapping[str, float],
    rest: Callable[[], object] = lambda: None,
) -> tuple[Kinds, Events]:
    """Turn observations into columns, and tell them apart by route and method.

    Args:
        owners: As of :func:`events_of`.
        observations: As there.
        shares: As there.
        rest: As there.
    """
    _, ats, gaps, routes, paths, methods, statuses, sizes, refusals, times, _, words, *_ = zip(
        *observations, strict=True
    )
    kinds = kinds_of(routes, methods)
    rarities = [rarity_of(shares, route) for route in kinds.routes]
    bins = [route_bin(route) for route in kinds.routes]
    names = {route: is_login(route) for route in set(kinds.routes)}
    logins = [
        names[route] if word == BY_NAME else word >= LOGIN
        for route, word in zip(routes, words, strict=True)
    ]
    failed = np.array(words) == FAILED_LOGIN
    tries = [*zip(statuses, logins, strict=True)]
    answers = {(status, login): answer_of(status, login) for status, login in set(tries)}
    rest()
    writes, probes = (
        np.array([method not in known for method in kinds.methods], dtype=np.float64)[kinds.of]
        for known in (READING, USUAL)
    )
    refused = np.array(refusals, dtype=np.float64)
    return kinds, Events(
        np.asarray(owners, dtype=np.intp),
        np.array(ats, dtype=np.float64),
        np.array(gaps, dtype=np.float64),
        np.array(rarities, dtype=np.float64)[kinds.of],
        np.array(bins, dtype=np.intp)[kinds.of],
        np.array(paths, dtype=np.uint64),
        np.where(failed, float(DENIED), np.array([answers[x] for x in tries], dtype=np.float64)),
        # The size of a refusal's page says nothing of the site.
        np.where(refused, -1.0, np.array(sizes, dtype=np.float64)),
        # A login that failed counts as one, whichever method its form or link uses.
        np.where(failed, 1.0, writes),
        probes,
        refused,
        np.array(times, dtype=np.float64),
        np.array(logins, dtype=np.float64),
    )


def sends(events: Events) -> NDArray[np.bool_]:
    """Tell which requests send something and get no more than a receipt, or were refused it."""
    receipt = (events.answer == FINE) & (events.size >= 0.0) & (events.size < SMALL_ANSWER)
    sent: NDArray[np.bool_] = (events.write > 0) & (receipt | (events.refused > 0))
    return sent
