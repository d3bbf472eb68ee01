"""Tell what is left of a client's limits, without counting a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.current import current_limits
from flask_irl.limits.keys import canonical
from flask_irl.limits.plan import Plan

MAX_PLANS: Final = 20
"""Plans that are looked at: each is a call of the store."""


class QuotaLeft(TypedDict):
    """Describe a limit as it stands for a client.

    ``scope`` is empty for all of its requests, else the route's endpoint or a shared name; the
    window and the time until it resets are in seconds.
    """

    scope: str
    limit: int
    remaining: int
    reset_after: float
    window_seconds: int


class QuotaOperations:
    """Tell what is left of clients' limits.

    Args:
        limiter: The limiter.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._store = limiter.store

    def left(self, client: str, plans: Sequence[Plan] = ()) -> list[QuotaLeft]:
        """List a client's limits with what is left of each; empty while it is allowed everything.

        Args:
            client: Its key.
            plans: Plans of routes, of which the first twenty count, beside the limit on all of a
                client's requests.

        Raises:
            StoreError: The store failed.
        """
        key, now = canonical(client), self._store.now()
        found: dict[tuple[str, int, int], QuotaLeft] = {}
        for plan in (self._limiter.plan(()), *plans[:MAX_PLANS]):
            if any(scope.own_key for scope in plan.scopes):
                # Counted under keys that only a request has.
                continue
            counted = self._store.peek(plan, [key] * len(plan.scopes))
            for limit in current_limits(plan, counted, now):
                place = (limit.scope, limit.limit, limit.window_seconds)
                found[place] = {
                    "scope": limit.scope,
                    "limit": limit.limit,
                    "remaining": max(limit.remaining, 0),
                    "reset_after": round(max(limit.reset_after, 0.0), 1),
                    "window_seconds": limit.window_seconds,
                }
        return list(found.values())
