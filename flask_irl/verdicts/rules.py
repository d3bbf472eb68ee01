"""Judge by rules that need no model: failing logins, scans, signs of harm. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import column
from flask_irl.behaviour.sums import View

Mask = NDArray[np.bool_]

FAILING_SHARE: Final = 0.4
"""Least share of denied writes among the answers to a password guesser."""
LOGIN_SHARE: Final = 0.75
"""Least share of logins among the requests of a guesser that the site answers in a way of its own
(the form again, a redirect)."""
LOGIN_EXCESS: Final = 1.25
"""Multiple of the threshold for such logins, since some may have succeeded."""
UNKNOWN_SHARE: Final = 0.5
"""Least share of 404s on different paths among the answers to a scanner."""
SLOW_UNKNOWN_SHARE: Final = 0.2
"""Least share of twice as many within an hour: a guesser of ids finds some."""
HARMFUL_NEW_PATHS: Final = 25.0
"""New paths in ten minutes; a client with fewer takes nothing away."""
HARMFUL_HOURLY_PATHS: Final = 60.0
"""New paths in an hour."""
ONGOING_NEW_PATHS: Final = 7.0
"""New paths in ten minutes below which slow taking is over."""
HARMFUL_FAILURES: Final = 8.0
"""Answers 4xx in ten minutes."""
HARMFUL_RATE: Final = 90.0
"""Requests in a minute."""
WORK_SHARE: Final = 0.75
"""Least share of writes among the requests of a job that files, books or updates."""
WORK_FAILURES: Final = 0.05
"""Largest share of denied answers to such a job: it has been let in to do its work."""
MINUTES: Final = 10.0
"""Horizon of most sums."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Describe the rules by their thresholds, answers in about ten minutes; 0 switches a rule off.

    Args:
        login_failures: Denied writes at which a client guesses passwords; a quarter more for a
            client that logs in again and again and does nothing else, whatever the answers.
        unknown_paths: 404s on different paths at which a client scans.
    """

    login_failures: int = 12
    unknown_paths: int = 15

    def broken(
        self, view: View, regular: Mask | bool = False, trusted: Mask | bool = False
    ) -> Mask:
        """Tell whether each client breaks a rule, beyond doubt.

        Args:
            view: The clients' sums.
            regular: Which are regulars: a search engine requests pages that are gone by now.
            trusted: Which have been regulars for so long that many pages may be gone at once.
        """
        broken = np.zeros(len(view["n"]), dtype=bool)
        paths = self.unknown_paths
        for threshold, counter, answers, share, spared in (
            (self.login_failures, "failed_writes", "answered", FAILING_SHARE, False),
            (paths, "new_missing", "answered", UNKNOWN_SHARE, trusted),
            (2 * paths, "hour_new_missing", "hour_answered", SLOW_UNKNOWN_SHARE, regular),
        ):
            if threshold:
                over = (view[counter] >= threshold) & (view.mean(counter, answers) >= share)
                broken |= over & ~np.asarray(spared)
        if self.login_failures:
            often = view["login_writes"] >= LOGIN_EXCESS * self.login_failures
            # An office, or a poller that renews its session, is a regular.
            only = view.mean("logins", "answered") >= LOGIN_SHARE
            broken |= often & only & ~np.asarray(regular)
        return broken


def harmful(features: NDArray[np.float32], held: Mask | bool = False) -> Mask:
    """Tell whether each client does harm: takes many new paths, fails often, or floods.

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


def working(view: View) -> Mask:
    """Tell whether each client mostly writes, and may: unlike a reader, it takes nothing away.

    Args:
        view: The clients' sums.
    """
    failures = sum(view.mean(kind, "answered") for kind in ("denied", "missing", "bad"))
    writes = view.mean("writes") - view.mean("login_writes", "answered")
    return np.asarray((writes >= WORK_SHARE) & (failures <= WORK_FAILURES))


_HARMS: Final = (
    ("sustained_new_paths", HARMFUL_NEW_PATHS / MINUTES),
    ("failures_per_minute", HARMFUL_FAILURES / MINUTES),
    ("requests_per_minute", HARMFUL_RATE),
)
