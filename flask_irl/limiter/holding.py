"""Hold what a worker knows of a client that asks often, and its lease."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from flask_irl.limits.decision import Decision, Hit
from flask_irl.limits.plan import Plan
from flask_irl.limits.quota_lease import LEASE_SECONDS

OFTEN: Final = 3
"""Requests at this worker that show that a client asks often, in :data:`OFTEN_SECONDS`."""
OFTEN_SECONDS: Final = 1.5
MAX_UNITS: Final = 100
"""Requests of the largest lease."""
FADE: Final = 0.7
"""Weight of what was found before an answer."""
LEAST_OTHERS: Final = 0.02
"""Requests at other workers for each one here, below which there are none."""
SPREAD: Final = 4.0
"""How many times as many requests as usual may come to other workers: that is chance."""
RESERVE: Final = 50
"""Part of a limit that others may use during a lease, beside that."""
UNSHOWN: Final = 16
"""Part of what is left that may go unshown for the sake of requests at other workers."""


class Lease:
    """Hold leave for a few requests of one client.

    Args:
        decision: The decision on the request that got it.
        given: The store's time of that, in µs.
        units: What is shown as left at each use, that of the first use last.
        since: Time at which it was asked for, by the monotonic clock, like the next two.
        until: Its end.
        received: Time at which it came.
    """

    __slots__ = ("given", "head", "offset", "resets", "since", "size", "tail", "units", "until")

    def __init__(
        self,
        decision: Decision,
        given: float,
        units: list[int],
        since: float,
        until: float,
        received: float,
    ) -> None:
        self.given = given
        self.units = units
        self.size = len(units)
        self.since = since
        self.until = until
        self.head = decision[:3]
        self.tail = decision[5:12]
        self.resets = received + decision.reset_after
        self.offset = decision.at - received

    def drain(self) -> int:
        """Take all units that are left, and count them; beside a thread that uses one, too."""
        take, count = self.units.pop, 0
        try:
            while True:
                take()
                count += 1
        except IndexError:
            return count


class Holding:
    """Hold what is known of a client that asks often, under one plan.

    Args:
        plan: The limits.
        keys: The client's key, for each scope of the plan.
        now: The time, by the monotonic clock.

    Attributes:
        lease: Its lease, good or not; None without one.
        since: Time since which its requests are counted.
        count: How many there were.
        last: Time of the latest.
        answered: Time of the store's latest answer.
        asks_from: Time from which it may ask for a lease.
        others: Requests at other workers for each one here; -1 if that isn't known.
        limit: The limit that was shown at last.
        left: Requests left of it, without the lease.
    """

    __slots__ = (
        "_elsewhere",
        "_here",
        "answered",
        "asks_from",
        "count",
        "keys",
        "last",
        "lease",
        "left",
        "limit",
        "others",
        "plan",
        "since",
    )

    def __init__(self, plan: Plan, keys: Sequence[str], now: float) -> None:
        self.plan = plan
        self.keys = keys
        self.lease: Lease | None = None
        self.since = self.last = self.answered = self.asks_from = now
        self.count = 0
        self.others = -1.0
        self.limit = self.left = 0
        self._elsewhere = self._here = 0.0

    def learn(self, hit: Hit, counted: int, used: int) -> None:
        """Learn from an answer how many requests other workers get.

        Args:
            hit: The answer.
            counted: Requests that were counted for this worker since the one before.
            used: Requests that it had since then.
        """
        if self.limit == hit.limit:
            found = max(self.left - hit.remaining - counted, 0)
            self._elsewhere = FADE * self._elsewhere + found
            self._here = FADE * self._here + used
            self.others = self._elsewhere / self._here
            if self.others < LEAST_OTHERS:
                self.others = 0.0
        self.limit, self.left = hit.limit, hit.remaining

    def gap_at(self, now: float) -> float:
        """Give the time since the client's latest request, in seconds, as far as can be told."""
        return (now - self.last) / (1.0 + max(self.others, 0.0))

    def wanted(self, now: float) -> int:
        """Tell how many units to ask for: as many as may be used in a lease's time."""
        passed = now - self.since
        if now < self.asks_from or self.count < OFTEN or self.others < 0:
            return 0
        rate = self.count / max(passed, 0.01)
        if rate < OFTEN / OFTEN_SECONDS:
            return 0
        wanted = min(math.ceil(rate * LEASE_SECONDS), MAX_UNITS)
        if self.others:
            wanted = min(wanted, int(self.left / (UNSHOWN * SPREAD * self.others)) - 1)
        return max(wanted, 0)

    def shown(self, units: int) -> list[int]:
        """List what is shown as left at each use of a lease, that of the first use last.

        Never more than is there: other workers may admit requests meanwhile.
        """
        left, others = self.left, self.others
        if not others:
            return list(range(left, left + units))
        least = left - self.limit // RESERVE
        per_use = SPREAD * others
        return [
            max(unused, int(least + unused - per_use * (units - unused + 1)))
            for unused in range(units)
        ]
