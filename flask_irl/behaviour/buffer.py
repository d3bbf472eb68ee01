"""What was observed and waits for the next flush: bounded, and next to nothing to add to."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from flask_irl.behaviour.observation import Fields

CAPACITY: Final = 50_000
"""A flood beyond it pushes the oldest out: it was counted by the store all the same."""


class Backlog:
    """Observations in the order in which they came.

    Args:
        capacity: How many are kept, 1 or more.

    Attributes:
        add: Takes note of an answered request.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._waiting: deque[Fields] = deque(maxlen=capacity)
        self.add: Callable[[Fields], None] = self._waiting.append
        self._refused: dict[str, tuple[int, Fields]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add_refused(self, fields: Fields) -> None:
        """Take note of a refusal that no store has seen; a flood of them becomes one."""
        client = fields[0]
        with self._lock:
            count, _ = self._refused.get(client, (0, fields))
            self._refused[client] = (count + 1, fields)

    def take(self, most: int) -> list[Fields]:
        """The oldest ones, at most so many, and all refusals; they wait no more."""
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        if self._refused:
            with self._lock:
                refused, self._refused = self._refused, {}
            taken += [(*f[:9], count, f[10]) for count, f in refused.values()]
        return taken

    def by_client(self, most: int = 100) -> dict[str, int]:
        """How many wait of each client; the most first."""
        counts = Counter(fields[0] for fields in list(self._waiting))
        with self._lock:
            counts.update({client: n for client, (n, _) in self._refused.items()})
        return dict(counts.most_common(most))

    def __contains__(self, client: object) -> bool:
        return client in self._refused or any(f[0] == client for f in list(self._waiting))
