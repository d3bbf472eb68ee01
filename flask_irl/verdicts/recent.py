"""Gather the recent requests of clients in a flush, where the site keeps some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.observation import Fields
from flask_irl.behaviour.recent import RecentRequest, recent_of
from flask_irl.stores.base import Store
from flask_irl.stores.recent import RecentBounds

MOST_WAITING: Final = 5000
"""Clients whose requests wait for a store that is out."""
ADDED_AT_ONCE: Final = 200
"""Clients that a server takes at once, before it serves others."""


class Recent:
    """Gather the latest requests of each client until they are saved.

    Args:
        each: Requests of each client that are kept, 1 or more.
    """

    def __init__(self, each: int) -> None:
        self._bounds = RecentBounds(each)
        self._waiting: dict[str, list[RecentRequest]] = {}

    def add(
        self, clients: Sequence[str], saved: Mask, by_client: Mapping[str, Sequence[Fields]]
    ) -> None:
        """Add the requests of clients whose profiles were saved."""
        each = self._bounds.each
        for client, is_saved in zip(clients, saved.tolist(), strict=True):
            if is_saved:
                added = [recent_of(fields) for fields in by_client[client][-each:]]
                self._waiting[client] = [*self._waiting.pop(client, ()), *added][-each:]

    def bound(self) -> None:
        """Drop the clients that came first where too many wait."""
        for client in list(self._waiting)[: max(len(self._waiting) - MOST_WAITING, 0)]:
            del self._waiting[client]

    def clear(self) -> None:
        """Forget all of it."""
        self._waiting.clear()

    def save(self, store: Store) -> None:
        """Save the requests.

        Raises:
            StoreError: The store failed; those that aren't saved wait.
        """
        clients = list(self._waiting)
        for start in range(0, len(clients), ADDED_AT_ONCE):
            part = {client: self._waiting[client] for client in clients[start:][:ADDED_AT_ONCE]}
            store.add_recent(part, self._bounds)
            for client in part:
                del self._waiting[client]


def recent_for(each: int) -> Recent | None:
    """Make what gathers them; None where 0 of each client are kept."""
    return Recent(each) if each else None
