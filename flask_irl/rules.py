"""What needs no model: failing logins, scans of unknown paths, and whether there is harm at all.

All read the features' columns, so that a row tells the same in service and in training. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.features import FEATURE_NAMES

Mask = NDArray[np.bool_]

FAILING_SHARE: Final = 0.4
"""Of the answers that a password guesser gets, at least so many are denied writes."""
UNKNOWN_SHARE: Final = 0.5
"""Of the answers that a scanner gets, at least so many are 404s on ever other paths."""
HARMFUL_NEW_PATHS: Final = 25.0
"""In ten minutes: who asks for less that is new takes nothing away."""
HARMFUL_HOURLY_PATHS: Final = 60.0
HARMFUL_FAILURES: Final = 8.0
HARMFUL_RATE: Final = 90.0
"""Requests in a minute."""
MINUTES: Final = 10.0
"""That most sums reach back."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds, each in answers within about ten minutes; 0 switches a rule off.

    Args:
        login_failures: Denied writes from which on a client guesses passwords.
        unknown_paths: 404s on different paths from which on a client scans.
    """

    login_failures: int = 12
    unknown_paths: int = 15

    def broken(self, features: NDArray[np.float32], answered: NDArray[np.float64]) -> Mask:
        """Who breaks a rule, beyond doubt.

        Args:
            features: One row a client.
            answered: The answers that each one's shares are of.
        """
        broken = np.zeros(len(features), dtype=bool)
        for least, name, share in (
            (self.login_failures, "failed_write_share", FAILING_SHARE),
            (self.unknown_paths, "unknown_path_share", UNKNOWN_SHARE),
        ):
            if least:
                shares = features[:, FEATURE_NAMES.index(name)]
                broken |= (shares >= share) & (shares * answered >= least)
        return broken


def harmful(features: NDArray[np.float32]) -> Mask:
    """Who does anything that a site could mind: takes much that is new, fails, or floods.

    However odd it looks, what does none of that is left in peace.
    """
    harm = np.zeros(len(features), dtype=bool)
    for name, least in _HARMS:
        harm |= features[:, FEATURE_NAMES.index(name)] >= least
    return harm


_HARMS: Final = (
    ("sustained_new_paths", HARMFUL_NEW_PATHS / MINUTES),
    ("hourly_new_paths", HARMFUL_HOURLY_PATHS / 60.0),
    ("failures_per_minute", HARMFUL_FAILURES / MINUTES),
    ("requests_per_minute", HARMFUL_RATE),
)
