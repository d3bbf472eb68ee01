"""Tell the store's time without a call of it, and while it is out."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask_irl.stores.base import Store


class StoreClock:
    """Tell the store's time in seconds since the epoch, by a clock of this host that is never set.

    The host's own time may be wrong by minutes, drift, or be set at any moment: by it a block that
    holds while the store is out would end early, or late, on one host. Until the store has told its
    time, it is the host's.

    Args:
        store: The store.
        monotonic: Seconds of a clock that is never set.
    """

    def __init__(self, store: Store, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._ahead = time.time() - monotonic()

    def __call__(self) -> float:
        """Tell the time."""
        return self._store.now() if self._store.local else self._monotonic() + self._ahead

    def ask(self) -> None:
        """Ask the store for its time.

        Raises:
            StoreError: The store failed; its time goes on as it was.
        """
        if not self._store.local:
            self._ahead = self._store.now() - self._monotonic()


class FollowingClock(StoreClock):
    """Tell the time by another's clock, whose owner asks the store for all.

    Args:
        leader: The other clock.
    """

    def __init__(self, leader: StoreClock) -> None:
        self._leader = leader

    def __call__(self) -> float:
        """Tell the time."""
        return self._leader()

    def ask(self) -> None:
        """Ask nobody."""
