"""Judge by rules that need no model: failing logins and scans. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.sums import GAP_EDGES, Floats, View

FAILING_SHARE: Final = 0.4
"""Least share of denied writes among the answers to a password guesser."""
FAILING_WRITES: Final = 0.55
"""Least share of denied ones among its writes: a client that sends its password only when it is
asked (Digest, NTLM, many tools with Basic) is denied every other time."""
AT_ONCE_BINS: Final = int(np.searchsorted(GAP_EDGES, 0.25)) + 1
"""Bins of intervals that a page sends requests at, which doesn't wait for one to send the next."""
AT_ONCE_WEIGHT: Final = 0.25
"""Weight of a denied write at such an interval, where nobody logs in: when a session has ended, all
that is under way is denied. A guesser so fast is over its limit before long."""
LOGIN_SHARE: Final = 0.75
"""Least share of logins among the requests of a guesser that the site answers in a way of its own
(the form again, a redirect)."""
LOGIN_EXCESS: Final = 1.25
"""Multiple of the threshold for such logins, since some may have succeeded."""
UNKNOWN_SHARE: Final = 0.5
"""Least share of 404s on different paths among the answers to a scanner."""
SLOW_UNKNOWN_SHARE: Final = 0.2
"""Least share of twice as many within an hour: a guesser of ids finds some."""
PEOPLE: Final = 5.0
"""Least number of logins that succeeded by which a client is many people behind one address."""
PER_PERSON: Final = 60.0
"""Most requests for each of them, in about ten minutes."""
MOST_HARM: Final = 10.0
"""Level of harm that no number of people excuses: one account may log in again and again."""
MOSTLY_LOGINS: Final = 0.5
"""Share of logins among the requests of a client that does little else: no people who work."""
FLOODING_SHARE: Final = 0.5
"""Least share of refused ones among the requests of a flood."""
WORK_SHARE: Final = 0.75
"""Least share of writes among the requests of a job that files, books or updates."""
WORK_FAILURES: Final = 0.05
"""Largest share of denied answers to such a job: it has been let in to do its work."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Describe the rules by their thresholds, answers in about ten minutes; 0 switches a rule off.

    Args:
        login_failures: Denied writes at which a client guesses passwords, see
            :func:`denied_writes`; a quarter more for a client that logs in again and again and does
            nothing else, whatever the answers.
        unknown_paths: 404s on different paths at which a client scans.
        floods: Requests at which a client floods, if half of them were sent while it was refused:
            whatever it wants, it doesn't listen.
    """

    login_failures: int = 12
    unknown_paths: int = 15
    floods: int = 600

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
            (paths, "new_missing", "answered", UNKNOWN_SHARE, trusted),
            (2 * paths, "hour_new_missing", "hour_answered", SLOW_UNKNOWN_SHARE, regular),
        ):
            if threshold:
                over = (view[counter] >= threshold) & (view.mean(counter, answers) >= share)
                broken |= over & ~np.asarray(spared)
        if self.floods:
            over = (view["n"] >= self.floods) & (view["refused"] >= FLOODING_SHARE * view["n"])
            broken |= over
        if self.login_failures:
            mostly = view.mean("failed_writes", "answered") >= FAILING_SHARE
            # What was refused got no answer; a guesser's requests are nearly all writes.
            answered = view["writes"] - view["refused"]
            mostly &= view["failed_writes"] >= FAILING_WRITES * answered
            broken |= (denied_writes(view) >= self.login_failures) & mostly
            often = view["login_writes"] >= LOGIN_EXCESS * self.login_failures
            # An office, or a poller that renews its session, is a regular.
            only = view.mean("logins", "answered") >= LOGIN_SHARE
            broken |= often & only & ~np.asarray(regular)
        return broken


def denied_writes(view: View) -> Floats:
    """Count each client's denied writes of about ten minutes, failed logins among them.

    Args:
        view: The clients' sums.
    """
    failed = view["failed_writes"]
    # At least so many of them were no logins.
    elsewhere = np.maximum(failed - view["login_writes"], 0.0)
    at_once = view.gap_bins[:, :AT_ONCE_BINS].sum(axis=1)
    counted: Floats = failed - (1.0 - AT_ONCE_WEIGHT) * np.minimum(elsewhere, at_once)
    return counted


def working(view: View) -> Mask:
    """Tell whether each client mostly writes, and may: unlike a reader, it takes nothing away.

    Args:
        view: The clients' sums.
    """
    failures = sum(view.mean(kind, "answered") for kind in ("denied", "missing", "bad"))
    writes = view.mean("writes") - view.mean("login_writes", "answered")
    return np.asarray((writes >= WORK_SHARE) & (failures <= WORK_FAILURES))


def are_many_people(view: View, level: NDArray[np.float64]) -> Mask:
    """Tell whether each client is many people: an office in the morning, a carrier's address.

    They log in, mostly with success, and each of them then does a person's share, and no harm.

    Args:
        view: The clients' sums.
        level: Their levels of harm.
    """
    failed = view["failed_writes"]
    succeeded = view["login_writes"] - failed
    many = (succeeded >= PEOPLE) & (failed <= FAILING_SHARE * view["login_writes"])
    busy = (view["n"] <= PER_PERSON * succeeded) & (level <= np.minimum(succeeded, MOST_HARM))
    return np.asarray(many & busy & (view["login_writes"] <= MOSTLY_LOGINS * view["n"]))
