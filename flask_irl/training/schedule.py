"""Tell whether a scheduled training is worth its while, and how much of a forest it renews."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from flask_irl.behaviour.site_statistics import began_at
from flask_irl.model.model import Model

STALE_SHARE: Final = 0.2
"""Share of the rows that may be new since a tree was grown; older trees are grown anew."""
LEAST_RENEWED: Final = 0.1
"""Share of the trees that each training grows anew: after ten, none is left."""
TURN_SHARE: Final = 0.9
"""Share of the interval for which a scheduled training keeps the turn from other workers."""


def is_outdated(
    model: Model, counts: Mapping[str, int], now: float, learning_seconds: float
) -> bool:
    """Tell whether a model should be trained anew, for new rows or for more than advice.

    Args:
        model: Model in force.
        counts: The store's counters.
        now: Time in seconds since the epoch.
        learning_seconds: A model only advises of a site that has been observed for less.
    """
    if not model.version or _new_rows(model, counts):
        return True
    return model.advisory and now - began_at(model.site, math.inf) >= learning_seconds


def share_to_renew(model: Model | None, counts: Mapping[str, int], rows: int) -> float:
    """Give the share of the trees that a scheduled training grows anew, 0.1 to 1.

    It grows with what is new, so that no tree in force is older than a fifth of the rows, or than
    ten trainings: on a site that changes fast all are grown at once.

    Args:
        model: Model whose newer trees may stay; None for none.
        counts: The store's counters.
        rows: Number of rows to train on, 1 or more.
    """
    new = -1 if model is None or not model.version else _new_rows(model, counts)
    # Fewer than there were: the store has begun anew.
    return min(1.0, max(LEAST_RENEWED, new / (STALE_SHARE * rows))) if new >= 0 else 1.0


def _new_rows(model: Model, counts: Mapping[str, int]) -> int:
    return counts.get("rows", 0) - int(model.report.get("rows_seen", 0))
