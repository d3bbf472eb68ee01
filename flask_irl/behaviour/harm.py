"""Recognise signs of harm in the features of clients."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import column

Mask = NDArray[np.bool_]

HARMFUL_NEW_PATHS: Final = 25.0
"""New paths in ten minutes; a client with fewer takes nothing away."""
HARMFUL_HOURLY_PATHS: Final = 60.0
"""New paths in an hour."""
ONGOING_NEW_PATHS: Final = 7.0
"""New paths in ten minutes below which slow taking is over."""
HARMFUL_FAILURES: Final = 8.0
"""Denied answers, failed logins and missing paths in ten minutes."""
HARMFUL_PATHS: Final = 25.0
"""Different paths in about ten minutes, new to the client or not: walking them again and again
takes as much."""
HARMFUL_RATE: Final = 60.0
"""Requests a minute, over ten minutes: an app may send hundreds at once that it has gathered, and
never holds more than its limit."""
MINUTES: Final = 10.0
"""Horizon of most sums."""

_HARMS: Final = (
    ("sustained_new_paths", HARMFUL_NEW_PATHS / MINUTES),
    ("failures_per_minute", HARMFUL_FAILURES / MINUTES),
    ("paths_in_use", HARMFUL_PATHS),
    ("sustained_rate", HARMFUL_RATE),
)


def harmful(features: NDArray[np.float32], held: Mask | bool = False) -> Mask:
    """Tell whether each client does harm: takes many new paths, is denied often, or floods.

    However odd another client looks, it is left in peace.

    Args:
        features: One row a client.
        held: Which are at a lower step already: half as much is harm, or they would flap.
    """
    harm = np.zeros(len(features), dtype=bool)
    share = np.where(held, 0.5, 1.0)
    for name, threshold in _HARMS:
        harm |= column(features, name) >= threshold * share
    # A client that has stopped is not held for its requests of an hour ago.
    goes_on = column(features, "sustained_new_paths") >= ONGOING_NEW_PATHS / MINUTES
    slow = column(features, "hourly_new_paths")
    harm |= goes_on & (slow >= share * HARMFUL_HOURLY_PATHS / 60.0)
    return harm
