"""Hold quota leases: let a client that asks often go on for a moment without the store.

With one answer the store counts a few more requests of such a client, which this worker may then
admit by itself: no limit is ever exceeded, whatever fails. A lease ends within a second, and with
the window that its units are counted in. What is unused goes back with the client's next question,
or with the next flush.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from flask_irl.api_keys.presented import PresentedKey, Seen, StoredKey
from flask_irl.limiter.failures import Failures
from flask_irl.limiter.holding import MOST_SHARE, OFTEN, OFTEN_SECONDS, SPREAD, Holding, Lease
from flask_irl.limits.decision import Decision, Hit, decision_of
from flask_irl.limits.plan import Plan
from flask_irl.limits.quota_lease import EndedLease, LeaseCall, Leased
from flask_irl.stores.base import Pending, Store

QUICK_MICROS: Final = 500_000.0
"""Time between two requests of a client that asks often."""
AGAIN_SECONDS: Final = 0.5
"""Time after which a client that got no lease may ask for one again."""
MAX_CLIENTS: Final = 4096
"""Clients that are watched."""
MAX_PLANS: Final = 8
"""Plans under which one client is."""
PAUSE: Final = 4.0
"""Multiple of its usual pause for which a client may be away before its lease ends."""
FEW: Final = 8
"""Requests at other workers that chance may bring beside those that are usual."""
IDLE_SECONDS: Final = 10.0
DRIFT: Final = 0.999
"""Share of its time for which a lease is used: clocks differ in pace."""


class Asked:
    """Hold a question to the store about a request that asks for a lease, too."""

    __slots__ = ("begun", "call", "client", "holding", "seen", "sent", "used")

    def __init__(
        self,
        holding: Holding,
        client: str,
        seen: Seen | None,
        call: LeaseCall,
        used: int,
        sent: float,
    ) -> None:
        self.holding = holding
        self.client = client
        self.seen = seen
        self.call = call
        self.used = used
        self.sent = sent
        self.begun: Pending | None = None


class Leases:
    """Hold the leases of this worker; bounded, and safe for threads without a lock.

    Args:
        store: Gives them.
        failures: Asks it.
        enabled: Whether there are any.
        monotonic: Seconds of a clock that is never set.

    Attributes:
        held: The clients that ask often, under each of their plans.
        quick: µs between two requests from which on :meth:`note` isn't called; 0 for never.
    """

    def __init__(
        self,
        store: Store,
        failures: Failures,
        *,
        enabled: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._failures = failures
        self._monotonic = monotonic
        self.quick = QUICK_MICROS if enabled else 0.0
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process: the leases are its parent's."""
        self.held: dict[str, dict[Plan, Holding]] = {}
        self._ended: deque[EndedLease] = deque(maxlen=MAX_CLIENTS)

    def begin(self, holding: Holding, client: str) -> Decision | Asked | None:
        """Decide on a request of cost 1 by its client's lease, or ask the store for a new one.

        Args:
            holding: What is known of the client, under the request's plan.
            client: Its key; where that is an API key's, as this request presents it.

        Returns:
            The decision; or the argument of :meth:`end`; None where no lease is to be had.
        """
        now = self._monotonic()
        try:
            lease, passed = holding.leases[-1], now - holding.last
            # A client that was away for longer than usual may have been at another worker.
            if now < lease.until and passed < lease.pause:
                # In one step, whatever other threads do.
                unused = lease.units.pop()
                left = lease.left + unused - holding.spent
                if lease.reserve:
                    # Others may have come to other workers meanwhile.
                    left = int(left - lease.reserve - lease.pace * (now - lease.since))
                if left < unused:
                    left = unused
                gap, holding.last = passed * holding.share, now
                reset = max(lease.resets - now, 0.0)
                fields: Any = (*lease.head, left, reset, *lease.tail, lease.offset + now, gap)
                return tuple.__new__(Decision, fields)
        except IndexError:
            if holding.count < OFTEN and not holding.leases:
                return None
        return self._ask(holding, client, now)

    def end(self, asked: Asked) -> Hit | StoredKey | None:
        """Take the answer to a question.

        Returns:
            The answer; the record of the client's API key if that is another than the one known,
            where nothing was counted; None where the store is out.
        """
        holding, call, begun = asked.holding, asked.call, asked.begun
        plan, keys = holding.plan, holding.keys
        if asked.seen is None:
            ask: Callable[[], Any] = partial(self._store.lease, plan, keys, call, begun)
        else:
            ask = partial(self._store.keyed_lease, plan, keys, call, asked.seen, begun)
        leased: Leased | StoredKey | None = self._failures.ask(ask, begun is not None)
        if leased is None:
            return None
        if isinstance(leased, StoredKey):
            # As where an operator's change was heard of: the key's may have been.
            self.drop(asked.client)
            return leased
        now, learns = self._monotonic(), holding.learns
        hit, units, lasts, _, _ = leased
        if hit.admitted:
            counted = 1 + units - call.unused
            holding.learn(leased, counted, asked.used, now)
            self._spend(keys[0], holding, counted)
        if holding.last > holding.answered:
            # The store doesn't know of the requests in between.
            gap = (asked.sent - holding.last) * holding.share
            hit = hit._replace(gap=min(hit.gap, gap * 1e6))
        if learns:
            holding.asks_from = now
        holding.count += 1
        holding.last = holding.answered = now
        if units:
            left, reserve = hit.remaining, 0
            if not holding.is_alone:
                # Those of other workers' leases are counted all at once.
                reserve = hit.limit // MOST_SHARE + FEW
            hit = hit._replace(remaining=hit.remaining + units)
            decision = decision_of(plan, keys[0], hit, "store")
            until = asked.sent + lasts / 1e6 * DRIFT
            lease = Lease(
                decision,
                hit.now,
                units,
                left=left,
                reserve=reserve,
                pace=SPREAD * holding.pace,
                pause=PAUSE / holding.rate,
                since=asked.sent,
                until=until,
                received=now,
            )
            # Another thread may have got one meanwhile.
            self._put_off(holding)
            holding.since, holding.count = asked.sent, 1
            holding.leases.append(lease)
            holding.asks_from = now
            if self.held.get(keys[0], {}).get(plan) is not holding:
                # The client's limits have changed meanwhile.
                self._put_off(holding)
        return hit

    def note(self, plan: Plan, keys: Sequence[str], cost: int) -> None:
        """Note that the store has admitted a client that is held, or came soon after the last time.

        Args:
            plan: The limits.
            keys: The client's key, for each scope of the plan.
            cost: Units that the request counted for.
        """
        now, client = self._monotonic(), keys[0]
        plans = self.held.get(client)
        if plans is None:
            if len(self.held) >= MAX_CLIENTS:
                return
            plans = self.held.setdefault(client, {})
        holding = plans.get(plan)
        if holding is None and cost == 1 and plan.leasable and len(plans) < MAX_PLANS:
            holding = plans.setdefault(plan, Holding(plan, keys, now))
        self._spend(client, None, cost)
        if cost == 1 and holding is not None:
            if now - holding.since > OFTEN_SECONDS:
                holding.since, holding.count = now, 0
            holding.count += 1
            holding.last = holding.answered = now

    def _spend(self, client: str, by: Holding | None, counted: int) -> None:
        """Note what was counted by one of a client's plans in all others: they share limits."""
        for holding in self.held.get(client, {}).copy().values():
            if holding is not by:
                holding.spent += counted

    def give_back(self, *, every: bool = False) -> None:
        """Give back what is unused of ended leases, and forget clients that come no more.

        Args:
            every: End all leases before.

        Raises:
            StoreError: The store failed; what was unused stays counted.
        """
        now = self._monotonic()
        for client, plans in self.held.copy().items():
            idle = True
            for holding in plans.copy().values():
                if every or holding.is_over(now):
                    self._put_off(holding)
                idle = idle and now - holding.last > IDLE_SECONDS
            if idle:
                self.drop(client)
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        if ended:
            self._store.give_back(ended)

    def drop(self, client: str | None = None) -> None:
        """End the leases of a client, or all: what the limits are for it has changed."""
        for name in self.held.copy() if client is None else [client]:
            for holding in self.held.pop(name, {}).copy().values():
                self._put_off(holding)

    def _ask(self, holding: Holding, client: str, now: float) -> Asked | None:
        seen = client.seen if isinstance(client, PresentedKey) else None
        if self._failures.breaker.is_open or (seen is None and isinstance(client, PresentedKey)):
            return None
        ended = self._end(holding)
        self._put_off(holding)
        wanted = holding.wanted(now)
        if wanted < 0 and ended is None and holding.last <= holding.answered:
            return None
        wanted = max(wanted, 0)
        # Other threads ask without one meanwhile.
        holding.asks_from = now + AGAIN_SECONDS
        call = LeaseCall(wanted)
        if ended is not None:
            call = LeaseCall(wanted, ended.given, ended.unused)
        asked = Asked(holding, client, seen, call, 1 + holding.uses, now)
        holding.uses = 0
        try:
            if seen is None:
                asked.begun = self._store.begin_lease(holding.plan, holding.keys, call)
            else:
                begin = self._store.begin_keyed_lease
                asked.begun = begin(holding.plan, holding.keys, call, seen)
        except Exception as error:
            self._failures.store_failed(error)
        return asked

    def _put_off(self, holding: Holding) -> None:
        """End a client's leases, and tell the store of them with the next flush."""
        while (ended := self._end(holding)) is not None:
            holding.spent -= ended.unused
            self._ended.append(ended)

    def _end(self, holding: Holding) -> EndedLease | None:
        try:
            lease = holding.leases.pop()
        except IndexError:
            return None
        unused = lease.drain()
        holding.uses = lease.size - unused
        holding.since, holding.count = lease.since, 1 + holding.uses
        return EndedLease(holding.plan, holding.keys, lease.given, unused)
