"""Recognise signs of harm in the features of clients."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import column

Mask = NDArray[np.bool_]

HARMFUL_NEW_PATHS: Final = 40.0
"""New paths in ten minutes; a client with fewer takes nothing away."""
HARMFUL_HOURLY_PATHS: Final = 60.0
"""New paths in an hour."""
ONGOING_NEW_PATHS: Final = 7.0
"""New paths in ten minutes below which slow taking is over."""
HARMFUL_FAILURES: Final = 8.0
"""Denied answers, failed logins and missing paths in ten minutes."""
HARMFUL_PATHS: Final = 60.0
"""Different paths in about ten minutes, new to the client or not: walking them again and again
takes as much."""
HARMFUL_RATE: Final = 75.0
"""Requests a minute, over ten minutes: an app may send hundreds at once that it has gathered, and
never holds more than its limit."""
MINUTES: Final = 10.0
"""Horizon of most sums."""
HOUR_MINUTES: Final = 60.0
MOST_BEFORE: Final = 4.0
"""Multiple of the paths of the last ten minutes up to which those of an hour count: a job that
begins its next run isn't in its last one."""

_HARMS: Final = (
    ("sustained_new_paths", HARMFUL_NEW_PATHS / MINUTES, 0.5),
    ("failures_per_minute", HARMFUL_FAILURES / MINUTES, 0.5),
    # A person who leafs through a few known pages uses half as many, too.
    ("paths_in_use", HARMFUL_PATHS, 0.8),
    ("sustained_rate", HARMFUL_RATE, 0.5),
)
"""Figures, the thresholds from which on they are harm, and the share of those that is harm already
by a client at a lower step: it would flap else."""
_HELD_SLOW: Final = 0.5


def harm_level(features: NDArray[np.float32], held: Mask | bool = False) -> NDArray[np.float64]:
    """Measure the harm that each client does: takes many paths, is denied often, or floods.

    Args:
        features: One row a client.
        held: Which are at a lower step already.

    Returns:
        The largest of its figures over their thresholds: 0 for none, 1 from which on it is harm.
    """
    ratios = [
        column(features, name) / (threshold * np.where(held, share, 1.0))
        for name, threshold, share in _HARMS
    ]
    # A client that has stopped is not held for its requests of an hour ago.
    goes_on = column(features, "sustained_new_paths") >= ONGOING_NEW_PATHS / MINUTES
    least = HARMFUL_HOURLY_PATHS / HOUR_MINUTES * np.where(held, _HELD_SLOW, 1.0)
    slow = column(features, "hourly_new_paths") / least
    level: NDArray[np.float64] = np.maximum.reduce([*ratios, np.where(goes_on, slow, 0.0)])
    return level.astype(np.float64)


def harmful(features: NDArray[np.float32]) -> Mask:
    """Tell whether each client does harm; however odd another one looks, it is left in peace."""
    harm: Mask = harm_level(features) >= 1.0
    return harm


def lasting_harm(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Measure the paths that each client took within an hour, times their share of its requests.

    People's bursts are short. Many people behind one address take much as well, but ask for what
    others of them have asked for.

    Args:
        features: One row a client.

    Returns:
        Paths; four times those of the last ten minutes at most, for a client that has stopped.
    """
    new = column(features, "hourly_new_paths").astype(np.float64)
    rate = np.maximum(column(features, "hourly_rate"), new)
    taken = HOUR_MINUTES * new * new / np.maximum(rate, 1e-6)
    lately = MINUTES * column(features, "sustained_new_paths")
    return np.asarray(np.minimum(taken, MOST_BEFORE * lately))
