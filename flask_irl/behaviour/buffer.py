"""Hold observations until the next flush: bounded memory, and hardly any time to add one."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final

from flask_irl.behaviour.observation import CLIENT, Fields

CAPACITY: Final = 50_000
"""Observations held; beyond it the oldest go, whose requests the store has counted all the same."""


class Buffer:
    """Hold observations in order of arrival; safe for threads.

    Args:
        capacity: The largest number of observations, 1 or more.

    Attributes:
        add: Appends the fields of an observation.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self.after_fork()

    def after_fork(self) -> None:
        """Begin empty: the parent process has its own observations."""
        self._waiting: deque[Fields] = deque(maxlen=self._capacity)
        self.add: Callable[[Fields], None] = self._waiting.append
        self._refused: dict[str, tuple[int, Fields]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add_refused(self, fields: Fields) -> None:
        """Append a refusal that no store has counted; a client's become one observation."""
        client = fields[CLIENT]
        with self._lock:
            count, _ = self._refused.get(client, (0, fields))
            self._refused[client] = (count + 1, fields)

    def take(self, limit: int) -> list[Fields]:
        """Remove and return the oldest observations, at most ``limit``; no refusals."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(limit, len(waiting)))]

    def take_refused(self) -> list[Fields]:
        """Remove and return all refusals, one observation for each client."""
        if not self._refused:
            return []
        with self._lock:
            refused, self._refused = self._refused, {}
        return [(*fields[:9], count, *fields[10:]) for count, fields in refused.values()]

    def put_back(self, observations: Sequence[Fields]) -> None:
        """Put observations before all others, as many of the latest as there is room for."""
        waiting = self._waiting
        for observation in reversed(observations):
            if len(waiting) == waiting.maxlen:
                break
            waiting.appendleft(observation)

    def clear(self) -> None:
        """Forget all of it."""
        self._waiting.clear()
        self.take_refused()

    def count(self) -> int:
        """Count the observations, each refusal by itself."""
        with self._lock:
            return len(self._waiting) + sum(n for n, _ in self._refused.values())

    def count_by_client(self, limit: int = 100) -> dict[str, int]:
        """Count the observations of each client, of at most ``limit`` clients; most first."""
        counts = Counter(fields[CLIENT] for fields in list(self._waiting))
        with self._lock:
            counts.update({client: n for client, (n, _) in self._refused.items()})
        return dict(counts.most_common(limit))
