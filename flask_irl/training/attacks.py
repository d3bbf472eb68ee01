"""Simulate attacks on a site, as examples that a supervised detector learns from.

Each attacker sends requests as its kind does (a scraper takes ever new paths or walks known ones, a
guesser of passwords is denied, a scanner finds nothing, ...), and all else about it is drawn at
random: pace, intervals, routes, methods, answers (domain randomisation, Tobin 2017). Its profile is
kept by the same code as a real client's, and read every so often; a reading without a sign of harm
teaches nothing, since such a client is left in peace. Pure: nothing is sent anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.events import Events
from flask_irl.behaviour.features import FEATURE_NAMES, matrix
from flask_irl.behaviour.folding import fold
from flask_irl.behaviour.harm import harmful
from flask_irl.behaviour.routes import rarity_of, route_bin
from flask_irl.behaviour.sums import BAD, DENIED, FINE, MISSING, Floats
from flask_irl.training.attack_shapes import Paths, draw_gaps, draw_new, draw_pool, draw_routes

READINGS: Final = 30
"""Number of times that each attacker's profile is read, evenly over its time."""
EVIDENCE: Final = 8.0
MOST_REQUESTS: Final = 1200
UNKNOWN_ROUTE: Final = "unmatched"


class Kind(NamedTuple):
    """Describe a kind of attack; pairs are ranges.

    Attributes:
        attackers: Number of attackers of it.
        rate: Requests a minute, drawn evenly on a logarithmic scale.
        minutes: Time for which it is observed.
        new: Share of paths not requested before; the others are always the same.
        pool: Number of different paths that it walks again and again instead; (0, 0) for none.
        missing: Share of answers 404.
        denied: Share of answers 401 or 403.
        write: Share of requests that would change things; None for half of the attackers none, and
            for the others as many as one of the site's own clients sends.
        unknown_routes: Whether its paths match no route.
    """

    attackers: int
    rate: tuple[float, float]
    minutes: tuple[float, float]
    new: tuple[float, float] = (0.85, 1.0)
    pool: tuple[float, float] = (0.0, 0.0)
    missing: tuple[float, float] = (0.0, 0.05)
    denied: tuple[float, float] = (0.0, 0.0)
    write: tuple[float, float] | None = None
    unknown_routes: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "walk": Kind(48, (12.0, 150.0), (3.0, 15.0)),
    "loop": Kind(32, (12.0, 150.0), (5.0, 30.0), pool=(20.0, 600.0)),
    "slow": Kind(16, (2.0, 15.0), (40.0, 90.0), missing=(0.0, 0.3), denied=(0.0, 0.2)),
    "stuffing": Kind(
        10, (6.0, 200.0), (3.0, 15.0), (0.0, 0.1), denied=(0.8, 1.0), write=(0.6, 1.0)
    ),
    "scan": Kind(10, (6.0, 200.0), (3.0, 15.0), missing=(0.7, 1.0), unknown_routes=True),
    "flood": Kind(12, (120.0, 1200.0), (2.0, 8.0), new=(0.0, 0.05)),
}
"""The attacks that a detector is taught, by name."""


def simulated_rows(
    usual: NDArray[np.float32],
    routes: Mapping[str, float],
    seed: int,
    kinds: Mapping[str, Kind] = KINDS,
) -> NDArray[np.float32]:
    """Simulate rows of features of attackers.

    Args:
        usual: Rows of the site's own clients, at least one: attackers meet answers of their sizes,
            at their hours.
        routes: The site's routes and their shares.
        seed: 0 to 2**32 - 1; the same arguments give the same rows.
        kinds: The kinds of attacks by name, at least one.

    Returns:
        A few thousand rows with a sign of harm, shape (n, number of features).
    """
    random = np.random.default_rng(seed)
    attackers = [
        _attacker(kind, usual, routes, random)
        for kind in kinds.values()
        for _ in range(kind.attackers)
    ]
    records = profile.decode([b""] * len(attackers))
    matrices: list[NDArray[np.float32]] = []
    for reading in range(READINGS):
        parts = [events.readings[reading] for events in attackers]
        active = [i for i, part in enumerate(parts) if part.stop > part.start]
        if not active:
            continue
        some = records[active]
        columns = [
            np.concatenate([getattr(attackers[i].events, name)[parts[i]] for i in active])
            for name in Events._fields[1:]
        ]
        owners = np.repeat(np.arange(len(active)), [parts[i].stop - parts[i].start for i in active])
        fold(some, Events(owners, *columns))
        records[active] = some
        enough = profile.sums_of(some, "n") >= EVIDENCE
        matrices.append(matrix(profile.view(some[enough], 0.0, 0.0)))
    rows = np.concatenate(matrices)
    harm = harmful(rows)
    rows = rows[harm] if harm.any() else rows
    like = usual[random.integers(len(usual), size=len(rows))]
    for name in ("hour_rarity", "weekday_rarity"):
        column = FEATURE_NAMES.index(name)
        rows[:, column] = like[:, column]
    return rows


class _Attacker(NamedTuple):
    """Hold an attacker's requests, and which of them come before each reading of its profile."""

    events: Events
    readings: list[slice]


def _attacker(
    kind: Kind, usual: NDArray[np.float32], routes: Mapping[str, float], random: np.random.Generator
) -> _Attacker:
    """Draw the requests of one attacker of a kind."""
    rate = float(np.exp(random.uniform(*np.log(kind.rate))))
    seconds = random.uniform(*kind.minutes) * 60.0
    count = int(min(MOST_REQUESTS, max(10, rate * seconds / 60.0)))
    gap = draw_gaps(60.0 / rate, count, random)
    at = 1e9 + np.cumsum(gap)
    like = dict(zip(FEATURE_NAMES, usual[random.integers(len(usual))].tolist(), strict=True))
    unknown = kind.unknown_routes or not routes
    names = [UNKNOWN_ROUTE] if unknown else draw_routes(routes, random)
    route = random.integers(len(names), size=count)
    zeros = np.zeros(count)
    events = Events(
        owner=np.zeros(count, dtype=np.intp),
        at=at,
        gap=np.concatenate(([-1.0], gap[1:])),
        rarity=np.array([rarity_of(routes, name) for name in names])[route],
        bin=np.array([route_bin(name) for name in names], dtype=np.intp)[route],
        path=_paths(kind, count, random),
        answer=_answers(kind, like["bad_share"], count, random),
        size=_sizes(like, count, random),
        write=(random.random(count) < _write_share(kind, like, random)).astype(np.float64),
        probe=zeros,
        refused=zeros,
        times=np.ones(count),
        login=zeros,
    )
    ends = np.searchsorted(at, at[0] + np.linspace(0, at[-1] - at[0] + 1, READINGS + 1)[1:])
    starts = np.concatenate(([0], ends[:-1]))
    return _Attacker(events, [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)])


def _paths(kind: Kind, count: int, random: np.random.Generator) -> Paths:
    if kind.pool[1]:
        return draw_pool(count, kind.pool, random)
    return draw_new(count, random.uniform(*kind.new), random)


def _answers(kind: Kind, bad: float, count: int, random: np.random.Generator) -> Floats:
    """Draw answers as the kind gets them, and as many other 4xx as one of the site's clients."""
    chance = random.random(count)
    missing, denied = random.uniform(*kind.missing), random.uniform(*kind.denied)
    answer = np.select(
        [chance < missing, chance < missing + denied, chance < missing + denied + bad],
        [MISSING, DENIED, BAD],
        FINE,
    )
    return answer.astype(np.float64)


def _write_share(kind: Kind, like: Mapping[str, float], random: np.random.Generator) -> float:
    if kind.write is not None:
        return float(random.uniform(*kind.write))
    # Where an API reads by POST, too, its scrapers do.
    return like["write_share"] if random.random() < 0.5 else 0.0


def _sizes(like: Mapping[str, float], count: int, random: np.random.Generator) -> Floats:
    """Draw sizes of answers like those that one of the site's own clients gets."""
    spread = abs(like["size_deviation"]) + 0.05
    return np.expm1(np.clip(random.normal(like["size_mean"], spread, count), 0.0, 20.0))
