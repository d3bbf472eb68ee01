"""Sum up samples: a figure with the quartiles around it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Hold a figure with the quartiles of its sample (itself, if the sample is one value)."""

    value: float
    low: float
    high: float


def figure_of(values: Sequence[float]) -> Figure:
    """Give the median of at least one value, with the quartiles."""
    return Figure(statistics.median(values), *quartiles(values))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Give the first and third quartile of at least one value."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
