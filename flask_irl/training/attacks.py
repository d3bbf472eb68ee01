"""Simulate simple attacks on a site, as examples that a supervised detector learns from.

Each attacker sends requests as its kind does (a scraper takes ever new paths of a few routes, a
guesser of passwords is denied, a scanner finds nothing, ...), at rates and with irregularities
drawn at random; its profile is kept by the same code as a real client's, and read every so often.
Pure: nothing is sent anywhere.
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
from flask_irl.behaviour.routes import rarity_of, route_bin
from flask_irl.behaviour.sums import DENIED, FINE, MISSING, Floats

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
        variation: Standard deviation of the gaps over their mean.
        minutes: Time for which it is observed.
        new: Share of paths not requested before.
        missing: Share of answers 404.
        denied: Share of answers 401 or 403.
        write: Share of requests that would change things.
        unknown_routes: Whether its paths match no route.
    """

    attackers: int
    rate: tuple[float, float]
    variation: tuple[float, float]
    minutes: tuple[float, float]
    new: tuple[float, float] = (0.85, 1.0)
    missing: tuple[float, float] = (0.0, 0.05)
    denied: tuple[float, float] = (0.0, 0.0)
    write: tuple[float, float] = (0.0, 0.0)
    unknown_routes: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "walk": Kind(30, (12.0, 150.0), (0.0, 0.3), (3.0, 15.0)),
    "irregular": Kind(30, (12.0, 150.0), (0.3, 2.0), (3.0, 15.0)),
    "slow": Kind(16, (2.0, 15.0), (0.0, 1.5), (40.0, 90.0), missing=(0.0, 0.3), denied=(0.0, 0.2)),
    "stuffing": Kind(
        10, (6.0, 200.0), (0.0, 1.0), (3.0, 15.0), (0.0, 0.1), denied=(0.8, 1.0), write=(0.6, 1.0)
    ),
    "scan": Kind(
        10, (6.0, 200.0), (0.0, 1.5), (3.0, 15.0), missing=(0.7, 1.0), unknown_routes=True
    ),
    "flood": Kind(4, (150.0, 600.0), (0.0, 0.5), (2.0, 4.0), new=(0.0, 0.05)),
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
        kinds: Attacks to simulate, at least one.

    Returns:
        A few thousand rows, shape (n, number of features).
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
    gap = _gaps(60.0 / rate, random.uniform(*kind.variation), count, random)
    at = 1e9 + np.cumsum(gap)
    names = [UNKNOWN_ROUTE] if kind.unknown_routes or not routes else _few(routes, random)
    route = random.integers(len(names), size=count)
    zeros = np.zeros(count)
    events = Events(
        owner=np.zeros(count, dtype=np.intp),
        at=at,
        gap=np.concatenate(([-1.0], gap[1:])),
        rarity=np.array([rarity_of(routes, name) for name in names])[route],
        bin=np.array([route_bin(name) for name in names], dtype=np.intp)[route],
        path=_paths(kind, count, random),
        answer=_answers(kind, count, random),
        size=_sizes(usual, count, random),
        write=(random.random(count) < random.uniform(*kind.write)).astype(np.float64),
        probe=zeros,
        refused=zeros,
        times=np.ones(count),
        login=zeros,
    )
    ends = np.searchsorted(at, at[0] + np.linspace(0, at[-1] - at[0] + 1, READINGS + 1)[1:])
    starts = np.concatenate(([0], ends[:-1]))
    return _Attacker(events, [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)])


def _gaps(mean: float, variation: float, count: int, random: np.random.Generator) -> Floats:
    if variation < 0.05:
        return np.full(count, mean)
    shape = 1.0 / variation**2
    return random.gamma(shape, mean / shape, count)


def _few(routes: Mapping[str, float], random: np.random.Generator) -> list[str]:
    """Draw one to three routes, often requested ones rather than others."""
    names = list(routes)
    weight = np.sqrt(np.maximum([routes[name] for name in names], 1e-6))
    most = min(len(names), int(random.integers(1, 4)))
    choice = random.choice(len(names), size=most, replace=False, p=weight / weight.sum())
    return [names[i] for i in choice]


def _paths(kind: Kind, count: int, random: np.random.Generator) -> NDArray[np.uint64]:
    new = random.random(count) < random.uniform(*kind.new)
    paths = np.where(new, random.integers(2**62, size=count), random.integers(3, size=count))
    return paths.astype(np.uint64)


def _answers(kind: Kind, count: int, random: np.random.Generator) -> Floats:
    chance = random.random(count)
    missing, denied = random.uniform(*kind.missing), random.uniform(*kind.denied)
    answer = np.select([chance < missing, chance < missing + denied], [MISSING, DENIED], FINE)
    return answer.astype(np.float64)


def _sizes(usual: NDArray[np.float32], count: int, random: np.random.Generator) -> Floats:
    """Draw sizes of answers like those that one of the site's own clients gets."""
    client = usual[random.integers(len(usual))]
    middle, spread = (
        float(client[FEATURE_NAMES.index(name)]) for name in ("size_mean", "size_deviation")
    )
    return np.expm1(np.clip(random.normal(middle, abs(spread) + 0.05, count), 0.0, 20.0))
