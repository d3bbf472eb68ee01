"""Hold the clients that hit a honeypot until the flush that judges them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

CAPACITY: Final = 50_000


class Traps:
    """Hold trapped clients; safe for threads.

    Args:
        capacity: The largest number of clients, 1 or more; beyond it the oldest go.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self.after_fork()

    def after_fork(self) -> None:
        """Begin empty: the parent process has its own."""
        self._clients: dict[str, None] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._clients)

    def __contains__(self, client: object) -> bool:
        return client in self._clients

    def add(self, client: str) -> None:
        """Trap a client."""
        self.put_back((client,))

    def take(self, clients: Iterable[str]) -> set[str]:
        """Remove and return those of these clients that are trapped."""
        if not self._clients:
            return set()
        with self._lock:
            trapped = self._clients.keys() & set(clients)
            for client in trapped:
                del self._clients[client]
            return trapped

    def clear(self) -> None:
        """Forget all trapped clients."""
        with self._lock:
            self._clients.clear()

    def put_back(self, clients: Iterable[str]) -> None:
        """Trap clients again whose flush didn't come to its end."""
        with self._lock:
            self._clients.update(dict.fromkeys(clients))
            while len(self._clients) > self._capacity:
                del self._clients[next(iter(self._clients))]
