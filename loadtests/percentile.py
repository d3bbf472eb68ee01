"""Compute percentiles that are values of the sample."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest of the values that a ``share`` of them, 0 to 1, does not exceed.

    This is the nearest-rank method; there must be at least one value.
    """
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
