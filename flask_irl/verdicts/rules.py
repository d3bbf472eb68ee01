"""What needs no model: failing logins, scans of unknown paths, and whether there is harm at all.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import column
from flask_irl.behaviour.sums import View

Mask = NDArray[np.bool_]

FAILING_SHARE: Final = 0.4
"""Of the answers that a password guesser gets, at least so many are denied writes."""
LOGIN_SHARE: Final = 0.75
"""Of what a guesser asks for that is told of failures in ways of the site's own (a form once more,
a redirect), at least so much is logins."""
LOGIN_EXCESS: Final = 1.25
"""So many times as many of them, since some may have worked."""
UNKNOWN_SHARE: Final = 0.5
"""Of the answers that a scanner gets, at least so many are 404s on ever other paths."""
SLOW_UNKNOWN_SHARE: Final = 0.2
"""The same of twice as many within an hour: who guesses ids has some luck."""
HARMFUL_NEW_PATHS: Final = 25.0
"""In ten minutes: who asks for less that is new takes nothing away."""
HARMFUL_HOURLY_PATHS: Final = 60.0
STILL_NEW_PATHS: Final = 7.0
"""In ten minutes: with fewer, it is over."""
HARMFUL_FAILURES: Final = 8.0
HARMFUL_RATE: Final = 90.0
"""Requests in a minute."""
WORK_SHARE: Final = 0.75
"""Of what a job that files, books or updates asks for, at least so much changes things."""
WORK_FAILURES: Final = 0.05
"""At most so much of it is turned down: who may do it, was let in to do it."""
MINUTES: Final = 10.0
"""That most sums reach back."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds, each in answers within about ten minutes; 0 switches a rule off.

    Args:
        login_failures: Denied writes from which on a client guesses passwords; a quarter more where
            it logs in again and again, and does nothing else, whatever the answers are.
        unknown_paths: 404s on different paths from which on a client scans.
    """

    login_failures: int = 12
    unknown_paths: int = 15

    def broken(
        self, view: View, regular: Mask | bool = False, settled: Mask | bool = False
    ) -> Mask:
        """Who breaks a rule, beyond doubt.

        Args:
            view: The clients' sums.
            regular: Who belongs to the site: a search engine asks for what is gone by now.
            settled: Who has done so for long enough to be trusted when much is gone at once.
        """
        broken = np.zeros(len(view["n"]), dtype=bool)
        paths = self.unknown_paths
        for least, counted, answers, share, spared in (
            (self.login_failures, "failed_writes", "answered", FAILING_SHARE, False),
            (paths, "new_missing", "answered", UNKNOWN_SHARE, settled),
            (2 * paths, "hour_new_missing", "hour_answered", SLOW_UNKNOWN_SHARE, regular),
        ):
            if least:
                over = (view[counted] >= least) & (view.mean(counted, answers) >= share)
                broken |= over & ~np.asarray(spared)
        if self.login_failures:
            often = view["login_writes"] >= LOGIN_EXCESS * self.login_failures
            # An office, or a poller that renews its session, has been here for long.
            only = view.mean("logins", "answered") >= LOGIN_SHARE
            broken |= often & only & ~np.asarray(regular)
        return broken


def harmful(features: NDArray[np.float32], held: Mask | bool = False) -> Mask:
    """Who does anything that a site could mind: takes much that is new, fails, or floods.

    However odd it looks, what does none of that is left in peace.

    Args:
        features: One row a client.
        held: Who is held down already: half as much is harm, or it would flap.
    """
    harm = np.zeros(len(features), dtype=bool)
    share = np.where(held, 0.5, 1.0)
    for name, least in _HARMS:
        harm |= column(features, name) >= least * share
    # Who has stopped is not held for what it did an hour ago.
    goes_on = column(features, "sustained_new_paths") >= STILL_NEW_PATHS / MINUTES
    slow = column(features, "hourly_new_paths")
    harm |= goes_on & (slow >= share * HARMFUL_HOURLY_PATHS / 60.0)
    return harm


def working(view: View) -> Mask:
    """Who changes things on the site, and may: other than who reads, it takes nothing away.

    Args:
        view: The clients' sums.
    """
    turned_down = sum(view.mean(kind, "answered") for kind in ("denied", "missing", "bad"))
    writes = view.mean("writes") - view.mean("login_writes", "answered")
    return np.asarray((writes >= WORK_SHARE) & (turned_down <= WORK_FAILURES))


_HARMS: Final = (
    ("sustained_new_paths", HARMFUL_NEW_PATHS / MINUTES),
    ("failures_per_minute", HARMFUL_FAILURES / MINUTES),
    ("requests_per_minute", HARMFUL_RATE),
)
