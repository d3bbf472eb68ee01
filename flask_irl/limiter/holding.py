"""Hold what a worker knows of a client that asks often, and its lease."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from flask_irl.limits.decision import Decision
from flask_irl.limits.plan import Plan
from flask_irl.limits.quota_lease import LEASE_SECONDS, Leased

OFTEN: Final = 3
"""Requests at this worker that show that a client asks often, in :data:`OFTEN_SECONDS`."""
OFTEN_SECONDS: Final = 1.5
MAX_UNITS: Final = 100
"""Requests of the largest lease."""
MOST_SHARE: Final = 50
"""The part of a limit that all leases of a client may have together."""
FADE: Final = 0.9
"""Weight of what was found before an answer."""
LEARNED_USES: Final = 16
"""Requests after which it is known how many come to other workers."""
WRAP: Final = 2**32
"""Counts are modulo this."""
LEARN_EVERY: Final = 4
"""Requests of which one asks for what teaches that: such an answer costs more than a usual one."""
MOST_LEARNED: Final = 100
"""Answers to learn that from; with limits that take turns it may never be known."""
ALONE_SECONDS: Final = 2.0
"""Time without any at other workers after which none come there."""
SPREAD: Final = 3.0
"""Multiple of the usual requests that may come to other workers by chance."""
UNSHOWN: Final = 4
"""Part of what is left that may go unshown for the sake of those."""


class Lease:
    """Hold leave for a few requests of one client.

    Args:
        decision: The decision on the request that got it.
        given: The store's time of that, in µs.
        units: Their number.
        left: What the store has left beside them.
        reserve: What may not be shown of that, for the sake of other workers; 0 where none of them
            gets requests of the client.
        pace: What they may admit in a second.
        pause: Seconds without a request after which it ends.
        since: Time at which it was asked for, by the monotonic clock, like the next two.
        until: Its end.
        received: Time at which it came.
    """

    __slots__ = (
        "given",
        "head",
        "left",
        "offset",
        "pace",
        "pause",
        "reserve",
        "resets",
        "since",
        "size",
        "tail",
        "units",
        "until",
    )

    def __init__(
        self,
        decision: Decision,
        given: float,
        units: int,
        *,
        left: int,
        reserve: int,
        pace: float,
        pause: float,
        since: float,
        until: float,
        received: float,
    ) -> None:
        self.given = given
        self.size = units
        # Each with the number of those behind it; the first use takes the last.
        self.units = list(range(units))
        self.left = left
        self.reserve = reserve
        self.pace = pace
        self.pause = pause
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
        leases: Its lease, good or not, if it has one; more only where threads meet.
        since: Time since which its requests are counted.
        count: How many there were.
        last: Time of the latest.
        answered: Time of the store's latest answer.
        asks_from: Time from which it may ask for a lease.
        others: Requests at other workers for each one here; -1 if that isn't known.
        share: This worker's share of its requests.
        pace: Requests at other workers in a second.
        rate: Its requests here in a second, when it last asked for a lease.
        uses: Uses of leases since the store's latest answer.
        spent: What this worker has let count beside the lease since that answer.
    """

    __slots__ = (
        "_alone_time",
        "_alone_uses",
        "_answers",
        "_elsewhere",
        "_here",
        "_learned",
        "_left",
        "_limit",
        "_time",
        "_total",
        "_uses",
        "_window",
        "answered",
        "asks_from",
        "count",
        "keys",
        "last",
        "leases",
        "others",
        "pace",
        "plan",
        "rate",
        "share",
        "since",
        "spent",
        "uses",
    )

    def __init__(self, plan: Plan, keys: Sequence[str], now: float) -> None:
        self.plan = plan
        self.keys = keys
        self.leases: list[Lease] = []
        self.others = -1.0
        self.share = 1.0
        self.pace = 0.0
        self.rate = 1.0
        self.uses = 0
        self.since = self.last = self.answered = self.asks_from = now
        self.count = 0
        self.spent = 0
        self._window = (-1, 0.0)
        self._total = self._limit = self._left = self._alone_uses = self._uses = 0
        self._answers = 0
        self._elsewhere = self._here = 0.0
        self._time = 0.0
        self._alone_time = 0.0
        self._learned = now

    def learn(self, leased: Leased, counted: int, used: int, now: float) -> None:
        """Learn from an answer how many requests other workers get.

        Args:
            leased: The answer; its request is admitted.
            counted: What was counted for this worker's lease and its request since the one before.
            used: Requests that it had since then, beside those that are :attr:`spent`.
            now: The time, by the monotonic clock.
        """
        self._answers += 1
        window = (leased.hit.binding, leased.start)
        if self._window == window:
            # Less than 0 where others gave back.
            grown = (leased.counted - self._total + WRAP // 2) % WRAP - WRAP // 2
            found = grown - counted - self.spent
            used += self.spent
            self._elsewhere = FADE * self._elsewhere + max(found, 0)
            self._here = FADE * self._here + used
            self._time = FADE * self._time + now - self._learned
            self.others = self._elsewhere / self._here
            # By GCRA, what was paid by waiting looks like requests elsewhere.
            self.share = 1.0 if leased.start < 0 else 1.0 / (1.0 + self.others)
            self._uses += used
            self._alone_uses = 0 if found else self._alone_uses + used
            passed = min(now - self._learned, LEASE_SECONDS)
            self._alone_time = 0.0 if found else self._alone_time + passed
        self._window, self._total, self._left = window, leased.counted, leased.hit.remaining
        self._limit, self._learned, self.spent = leased.hit.limit, now, 0

    def is_over(self, now: float) -> bool:
        """Tell whether there is a lease that is no longer good."""
        try:
            return now >= self.leases[0].until
        except IndexError:
            return False

    @property
    def is_alone(self) -> bool:
        """Tell whether no other worker gets requests of the client."""
        return self._alone_uses >= LEARNED_USES and self._alone_time >= ALONE_SECONDS

    @property
    def _is_known(self) -> bool:
        return self._uses >= LEARNED_USES and (self.is_alone or self._elsewhere > 0)

    @property
    def learns(self) -> bool:
        """Tell whether each answer is to be learned from, until enough is known."""
        return self._answers < MOST_LEARNED and not self._is_known

    def wanted(self, now: float) -> int:
        """Tell how many units to ask for: as many as may be used in a lease's time.

        Returns:
            The units; 0 to learn more before; -1 where the client doesn't ask often enough, or
            enough was asked of late to learn from.
        """
        rate = self.rate = self.count / max(now - self.since, 0.01)
        if now < self.asks_from or self.count < OFTEN or rate < OFTEN / OFTEN_SECONDS:
            return -1
        alone = self.is_alone
        if not self._is_known:
            return 0 if self._answers == 0 or self.spent >= LEARN_EVERY - 1 else -1
        # As long as now, even after a pause.
        self.pace = max(self._elsewhere / max(self._time, 0.01), self.others * rate)
        # The others want leases, too.
        wanted = min(rate * LEASE_SECONDS, self._limit / MOST_SHARE / (1.0 + self.others))
        if not alone:
            wanted = min(wanted, self._left / (UNSHOWN * SPREAD * self.others) - 1.0)
        return max(min(math.ceil(wanted), MAX_UNITS), 0)
