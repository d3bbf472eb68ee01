"""Remember refusals in this process, so that the store isn't asked again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from flask_irl.limits.decision import Hit
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope

MOST_SECONDS = 10.0
"""A refusal is believed no longer than this: a reset elsewhere is noticed soon enough."""


class Refusal(NamedTuple):
    """Hold a refusal that is still good.

    Attributes:
        scope: Name of the scope that refused.
        at: When it was made, by the monotonic clock.
        until: When it ends, by the same clock.
        cost: Units that were too many.
        hit: The store's answer.
        shown: The limit that refused, with its scope.
    """

    scope: str
    at: float
    until: float
    cost: int
    hit: Hit
    shown: tuple[Scope, Limit]

    def hit_at(self, now: float) -> Hit:
        """Give the store's answer as it would be by now."""
        passed = float(int((now - self.at) * 1e6))
        reset = self.hit.reset_after - passed
        if reset <= 0:
            # A client may have to wait into the next window.
            reset += self.shown[1].window_seconds * 1e6
        return self.hit._replace(
            now=self.hit.now + passed,
            gap=-1.0,
            reset_after=max(reset, 0.0),
            retry_after=max(self.hit.retry_after - passed, 0.0),
        )


class Refusals:
    """Map clients to their latest refusal; bounded.

    Args:
        capacity: Clients kept; the oldest refusals go first.

    Attributes:
        known: The refusals by client.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process: a thread of the parent may have held the lock."""
        self.known: OrderedDict[str, Refusal] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.known)

    def find(self, client: str, plan: Plan, cost: int, now: float) -> Refusal | None:
        """Find the refusal that decides this request without the store, if there is one.

        Its ``hit.binding`` is the refusing limit's place in ``plan``, which may be another plan
        than the one that refused.
        """
        refusal = self.known.get(client)
        if refusal is None:
            return None
        if refusal.until <= now:
            self.forget(client)
            return None
        if cost < refusal.cost:
            return None
        hit = refusal.hit
        if hit.binding < len(plan.limits) and plan.limits[hit.binding] == refusal.shown:
            return refusal
        try:
            place = plan.limits.index(refusal.shown)
        except ValueError:
            return None
        return refusal._replace(hit=hit._replace(binding=place))

    def knows(self, client: str, plan: Plan) -> bool:
        """Tell whether a client's latest refusal is by a limit of a plan."""
        refusal = self.known.get(client)
        return refusal is not None and refusal.shown in plan.limits

    def remember(self, client: str, plan: Plan, cost: int, hit: Hit, now: float) -> None:
        """Keep a refusal until the client may be admitted."""
        shown = plan.limits[hit.binding]
        scope = shown[0]
        # Where refusals count, each must come to the store.
        if scope.own_key or plan.ruled:
            return
        until = now + min(hit.retry_after / 1e6, MOST_SECONDS)
        with self._lock:
            self.known[client] = Refusal(scope.name, now, until, cost, hit, shown)
            self.known.move_to_end(client)
            if len(self.known) > self._capacity:
                self.known.popitem(last=False)

    def forget(self, client: str) -> None:
        """Ask the store again for this client."""
        with self._lock:
            self.known.pop(client, None)

    def clear(self) -> None:
        """Ask the store again for everybody."""
        with self._lock:
            self.known.clear()
