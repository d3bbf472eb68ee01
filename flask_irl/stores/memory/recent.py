"""Keep clients' recent requests in this process."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from flask_irl.behaviour.recent import RecentRequest
from flask_irl.stores.memory.kept import MemoryKept
from flask_irl.stores.recent import RECENT_SECONDS, RecentBounds, RecentRequests


class MemoryRecent(MemoryKept):
    """Keep clients' recent requests; see the protocol ``RecentStore``.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._recent: OrderedDict[str, deque[RecentRequest]] = OrderedDict()
        self._recent_seconds = RECENT_SECONDS

    def add_recent(self, requests: RecentRequests, bounds: RecentBounds) -> None:
        with self._lock:
            self._recent_seconds = bounds.seconds
            for client, added in requests.items():
                kept = self._recent.pop(client, ())
                # As many as are kept by now: an operator may have changed their number.
                self._recent[client] = deque([*kept, *added], maxlen=bounds.each)
            while len(self._recent) > bounds.clients:
                self._recent.popitem(last=False)
            self._drop_old(list(requests))

    def recent(self, client: str) -> list[bytes]:
        with self._lock:
            self._drop_old([client])
            return [request.encode() for request in reversed(self._recent.get(client, ()))]

    def _drop_old(self, clients: list[str]) -> None:
        """Drop requests that are too old, while this store is locked."""
        oldest = self._clock() - self._recent_seconds
        for client in clients:
            kept = self._recent.get(client, deque())
            while kept and kept[0].at <= oldest:
                kept.popleft()
            if not kept:
                self._recent.pop(client, None)

    def _drop_all_old(self) -> None:
        with self._lock:
            self._drop_old(list(self._recent))
