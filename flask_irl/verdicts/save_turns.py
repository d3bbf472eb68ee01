"""Spread the saves of clients that many workers see: each worker saves such a client in its turn.

Each worker would save each of its clients every second; of thirty-two workers that share the busy
clients of a site, most would find that another one has saved in between, and repeat the work.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final, NamedTuple

import numpy as np

from flask_irl.behaviour.harm import Mask
from flask_irl.verdicts.merge import Profiles
from flask_irl.verdicts.slices import ByClient

SAVES_PER_SECOND: Final = 2
"""Saves of a calm client a second that all workers make together, once there are more of them."""
LONGEST_TURN: Final = 8.0
"""Seconds after which each worker saves a client in any case."""
YOUNG_MINUTES: Final = 10
"""Minutes of activity before a client's saves are spread: newcomers are judged every second."""
MOST_HELD: Final = 5000
"""Observations that wait for their client's turn, a tenth of the buffer's room; beyond it none do.
"""
REVISIONS: Final = 2**32
MOST_WORKERS: Final = 1000


class Turn(NamedTuple):
    """Hold the last save of a client by this worker, and the time of the next.

    Attributes:
        revision: The client's revision before that save.
        due: Time of the next save, in seconds of the clock.
    """

    revision: int
    due: float


class SaveTurns:
    """Decide in which flushes this worker saves a client.

    The saves of all workers between two of this one's are counted by the client's revision: about
    as many as there are workers that see the client.

    Args:
        clock: Seconds of a clock that is never set.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._turns: dict[str, Turn] = {}

    def hold(self, by_client: ByClient, urgent: Container[str] | None) -> ByClient:
        """Take the clients out of a flush whose turn is yet to come, and give them.

        Args:
            by_client: The observations of the flush.
            urgent: Clients whose turn it is in any case; None for all.
        """
        turns = self._turns
        if not turns:
            return {}
        # A client that this worker hasn't seen since the last flush isn't busy here.
        self._turns = {client: turns[client] for client in by_client if client in turns}
        if urgent is None:
            return {}
        now = self._clock()
        waiting = [x for x, turn in self._turns.items() if turn.due > now and x not in urgent]
        if sum(len(by_client[client]) for client in waiting) > MOST_HELD:
            return {}
        return {client: by_client.pop(client) for client in waiting}

    def note(self, profiles: Profiles, saved: Mask, calm: Mask) -> None:
        """Note saves of this worker, from which the next turns follow.

        Args:
            profiles: The clients, with their states before the saves.
            saved: Whether each was saved.
            calm: Whether each may wait for its turn.
        """
        now = self._clock()
        calm = calm & (profiles.records["minutes"] >= YOUNG_MINUTES)
        for place in np.flatnonzero(saved).tolist():
            client, revision = profiles.clients[place], profiles.states[place].revision
            last = self._turns.get(client)
            workers = 1 if last is None else (revision - last.revision) % REVISIONS
            waits = calm[place] and SAVES_PER_SECOND < workers <= MOST_WORKERS
            seconds = min(workers / SAVES_PER_SECOND, LONGEST_TURN) if waits else 0.0
            self._turns[client] = Turn(revision, now + seconds)
