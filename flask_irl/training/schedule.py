"""Tell whether a scheduled training is worth its while."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from flask_irl.behaviour.site_statistics import began_at
from flask_irl.model.model import Model

NEW_ROWS_SHARE: Final = 0.2
"""New rows, against those of the model in force, that are worth another training."""
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
    if not model.version:
        return True
    new_rows = counts.get("rows", 0) - int(model.report.get("rows_seen", 0))
    if not 0 <= new_rows < NEW_ROWS_SHARE * model.rows:
        return True
    return model.advisory and now - began_at(model.site, math.inf) >= learning_seconds
