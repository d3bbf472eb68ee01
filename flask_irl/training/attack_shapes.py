"""Draw the shapes of simulated attacks: intervals, paths, routes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.sums import Floats

Paths = NDArray[np.uint64]
FEW_ROUTES: Final = 3
MANY_ROUTES: Final = 12
SHARE_OF_MANY: Final = 0.3
"""Share of attackers that go through many routes."""
MOST_VARIED: Final = 1.2
"""Largest variation of intervals: people come in bursts, with long pauses between them, and one
that is taught as an attack costs many of them."""


def draw_gaps(mean: float, count: int, random: np.random.Generator) -> Floats:
    """Draw the seconds between an attacker's requests, in one of the ways that programs pause.

    Args:
        mean: Mean of the intervals, in seconds.
        count: Number of intervals.
        random: Draws the way, its parameters and the intervals.
    """
    way = _WAYS[int(random.integers(len(_WAYS)))]
    gaps = way(count, random)
    scaled: Floats = gaps * (mean / max(float(gaps.mean()), 1e-9))
    return scaled


def draw_pool(count: int, size: tuple[float, float], random: np.random.Generator) -> Paths:
    """Draw paths from a pool that the attacker goes through again and again.

    In turn, at random, or the popular ones more often.

    Args:
        count: Number of paths.
        size: Range of the number of different ones, drawn evenly on a logarithmic scale.
        random: Draws size, order and paths.
    """
    most = int(np.exp(random.uniform(*np.log(size))))
    order = random.integers(3)
    if order == 0:
        places = np.arange(count) % most
    else:
        places = (most * random.random(count) ** (1.0 if order == 1 else 2.5)).astype(np.intp)
    pool = random.integers(2**62, size=most)
    return pool[places].astype(np.uint64)


def draw_new(count: int, share: float, random: np.random.Generator) -> Paths:
    """Draw paths, a ``share`` of them ever new and the others of three that are always the same."""
    new = random.random(count) < share
    paths = np.where(new, random.integers(2**62, size=count), random.integers(3, size=count))
    return paths.astype(np.uint64)


def draw_routes(routes: Mapping[str, float], random: np.random.Generator) -> list[str]:
    """Draw a few routes, or many, often requested ones rather than others."""
    names = list(routes)
    weight = np.sqrt(np.maximum([routes[name] for name in names], 1e-6))
    largest = MANY_ROUTES if random.random() < SHARE_OF_MANY else FEW_ROUTES
    most = min(len(names), int(random.integers(1, largest + 1)))
    choice = random.choice(len(names), size=most, replace=False, p=weight / weight.sum())
    return [names[i] for i in choice]


def _even(count: int, random: np.random.Generator) -> Floats:
    return 1.0 + random.uniform(0.0, 0.05) * random.random(count)


def _gamma(count: int, random: np.random.Generator) -> Floats:
    return random.gamma(1.0 / random.uniform(0.1, MOST_VARIED) ** 2, 1.0, count)


def _log_normal(count: int, random: np.random.Generator) -> Floats:
    return random.lognormal(0.0, random.uniform(0.3, 1.0), count)


_WAYS: Final[tuple[Callable[[int, np.random.Generator], Floats], ...]] = (
    _even,
    _even,
    _gamma,
    _gamma,
    _log_normal,
)
