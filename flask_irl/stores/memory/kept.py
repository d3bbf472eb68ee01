"""Keep contents by name until their end in this process."""

from __future__ import annotations

import math
from collections.abc import Callable

from flask_irl.stores.memory.history import MemoryHistory

Kept = dict[str, tuple[float, bytes]]
"""Contents by name, each with its end in whole seconds since the epoch."""


class MemoryKept(MemoryHistory):
    """Keep contents by name; see the protocol ``KeptStore``.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._sessions: Kept = {}
        self._forgotten: Kept = {}

    def put_session(
        self, name: str, session: bytes, until: float, most: int, *, renew: bool = False
    ) -> None:
        with self._lock:
            if renew and self._live(self._sessions, name) is None:
                return
            self._sessions = self._with(self._sessions, name, session, until, most)

    def session(self, name: str) -> bytes | None:
        with self._lock:
            return self._live(self._sessions, name)

    def end_session(self, name: str) -> bytes | None:
        with self._lock:
            session = self._live(self._sessions, name)
            self._sessions.pop(name, None)
        return session

    def keep_forgotten(self, client: str, content: bytes, until: float, most: int) -> None:
        with self._lock:
            self._forgotten = self._with(self._forgotten, client, content, until, most)

    def forgotten(self, client: str) -> bytes | None:
        with self._lock:
            return self._live(self._forgotten, client)

    def drop_forgotten(self, client: str) -> bytes | None:
        with self._lock:
            content = self._live(self._forgotten, client)
            self._forgotten.pop(client, None)
        return content

    def _drop_ended(self) -> None:
        """Drop what has ended, though nothing is put in its place."""
        with self._lock:
            self._sessions = self._of_now(self._sessions)
            self._forgotten = self._of_now(self._forgotten)

    def _of_now(self, kept: Kept) -> Kept:
        now = int(self._clock())
        return {name: each for name, each in kept.items() if each[0] > now}

    def _live(self, kept: Kept, name: str) -> bytes | None:
        until, content = kept.get(name, (0.0, b""))
        return content if until > int(self._clock()) else None

    def _with(self, kept: Kept, name: str, content: bytes, until: float, most: int) -> Kept:
        """Put a content among others, where the first to end makes room for it."""
        others = {other: each for other, each in self._of_now(kept).items() if other != name}
        if len(others) >= most:
            del others[min(others, key=lambda other: others[other][0])]
        return {**others, name: (math.ceil(until), content)}
