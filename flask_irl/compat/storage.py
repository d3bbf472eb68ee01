"""Give a compat limiter's store the names that storages and strategies of ``limits`` have."""

from __future__ import annotations

from typing import NamedTuple

from limits import RateLimitItem

from flask_irl.errors import StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.current import CurrentLimit, current_limits
from flask_irl.limits.limit import Limit
from flask_irl.limits.plan import Plan, Scope
from flask_irl.web.client_names import key_named


class WindowStats(NamedTuple):
    """Tell how a limit stands.

    Attributes:
        reset_time: When it is whole again, in seconds since the epoch.
        remaining: Requests left.
    """

    reset_time: float
    remaining: int


class Storage:
    """Ask and reset a limiter's store.

    Args:
        limiter: The limiter.

    Attributes:
        storage: The store itself.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self.storage = limiter.store

    def check(self) -> bool:
        """Tell whether the store answers."""
        try:
            self._limiter.store.ping()
        except StoreError:
            return False
        return True

    def reset(self) -> int:
        """Forget all clients; returns how many there were."""
        return self._limiter.forget_all()


class Strategy:
    """Ask how a client's limits stand.

    Args:
        limiter: The limiter.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def test(self, item: RateLimitItem, key: str, scope: str, cost: int = 1) -> bool:
        """Tell whether a limit has room for a request; counts nothing.

        Args:
            item: The limit.
            key: The client.
            scope: The endpoint, or the name of a shared limit.
            cost: Units that the request counts for.

        Raises:
            StoreError: The store failed.
        """
        return self._standing(item, key, scope).remaining >= cost

    def get_window_stats(self, item: RateLimitItem, key: str, scope: str) -> WindowStats:
        """Tell when a limit is whole again, and what is left of it; arguments as of :meth:`test`.

        Raises:
            StoreError: The store failed.
        """
        standing = self._standing(item, key, scope)
        return WindowStats(self._limiter.store.now() + standing.reset_after, standing.remaining)

    def hit(self, item: RateLimitItem, key: str, scope: str, cost: int = 1) -> bool:
        """Count a request, and tell whether there was room; arguments as of :meth:`test`."""
        plan, keys = self._plan(item, key, scope)
        return self._limiter.decide(plan, keys, cost).admitted

    def _standing(self, item: RateLimitItem, key: str, scope: str) -> CurrentLimit:
        plan, keys = self._plan(item, key, scope)
        store = self._limiter.store
        return current_limits(plan, store.peek(plan, keys), store.now())[-1]

    def _plan(self, item: RateLimitItem, key: str, scope: str) -> tuple[Plan, tuple[str, str]]:
        figures = Limit(item.amount, item.get_expiry())
        client = key_named(key)
        return self._limiter.plan((Scope(scope_name(scope, item), (figures,)),)), (client, client)


def scope_name(scope: str, item: RateLimitItem) -> str:
    """Name the scope of a limit: each text of a limit counts by itself, as in ``limits``."""
    return f"{scope}/{item.amount}/{item.multiples}/{item.GRANULARITY.name}"
