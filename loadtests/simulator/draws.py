"""Draw random values from spans, measured quantiles, weighted choices."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """Draw values between two, all alike."""

    low: float
    high: float

    def draw(self, rng: Random) -> float:
        """Draw a value."""
        return rng.uniform(self.low, self.high)

    def whole(self, rng: Random) -> int:
        """Draw a whole number."""
        return rng.randint(round(self.low), round(self.high))


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Draw from quantiles, log-linear between ``points``: (share, value), from share 0 to 1."""

    points: tuple[tuple[float, float], ...]

    def draw(self, rng: Random) -> float:
        """Draw a value."""
        return self.at(rng.random())

    def at(self, share: float) -> float:
        """Give the value that ``share`` of all draws are below."""
        after = bisect_left(self.points, (share, -1.0), 1, len(self.points) - 1)
        (left, low), (right, high) = self.points[after - 1], self.points[after]
        between = (share - left) / (right - left)
        return math.expm1(math.log1p(low) * (1 - between) + math.log1p(high) * between)


@dataclass(frozen=True, slots=True)
class Picker(Generic[T]):
    """Choose by weight."""

    items: tuple[T, ...]
    cumulative: tuple[float, ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[T, float]]) -> Picker[T]:
        """Weigh each item."""
        items, weights = zip(*pairs, strict=True)
        return cls(items, tuple(accumulate(weights)))

    @classmethod
    def uneven(cls, items: Sequence[T], rng: Random, unevenness: float = 1.0) -> Picker[T]:
        """Draw weights for items, some much more common than others."""
        return cls.of((item, rng.lognormvariate(0.0, unevenness)) for item in items)

    @classmethod
    def zipf(cls, items: Sequence[T], exponent: float) -> Picker[T]:
        """Weigh items by falling popularity."""
        return cls.of((item, rank**-exponent) for rank, item in enumerate(items, 1))

    def pick(self, rng: Random) -> T:
        """Choose an item."""
        place = bisect_right(self.cumulative, rng.random() * self.cumulative[-1])
        return self.items[min(place, len(self.items) - 1)]


def around(rng: Random, mean: float, spread: float) -> float:
    """Draw a positive value, log-normal with ``spread``, that is ``mean`` on average."""
    return mean * rng.lognormvariate(-spread * spread / 2, spread)


def arrivals(rng: Random, rate: float, start: float, end: float) -> Iterable[float]:
    """Draw independent times from start to end, ``rate`` a second on average."""
    ts = start
    while rate > 0:
        ts += rng.expovariate(rate)
        if ts >= end:
            return
        yield ts
