"""Guard against flagging a crowd: if many clients look odd at once, it is the site that changed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.telemetry.log import event

WINDOW_SECONDS: Final = 120.0
MAX_SHARE: Final = 0.2
LEAST_FLAGGED: Final = 10
CAPACITY: Final = 20_000
FRESH_SECONDS: Final = 600.0
"""Time after which a flagged client says nothing of the site: attackers stay, and add up."""


class CrowdGuard:
    """Watch the share of active clients that would be flagged.

    While more than a fifth of the clients of the last minutes (and at least ten) would be, and were
    not already some time ago, static limits apply; the log has the beginning and the end of it.

    Attributes:
        active: Whether static limits apply.
    """

    def __init__(self) -> None:
        self._now: dict[str, bool] = {}
        self._before: dict[str, bool] = {}
        self._fresh: dict[str, float] = {}
        self._turned = 0.0
        self.active = False

    @property
    def flagged(self) -> int:
        """Give the number of clients of the last minutes that would be flagged."""
        return sum(self._before.values()) + sum(self._now.values())

    def forget(self, now: float) -> None:
        """Forget clients of more than some minutes ago; to be called while none is judged, too."""
        if now - self._turned >= WINDOW_SECONDS:
            self._before = self._now if now - self._turned < 2 * WINDOW_SECONDS else {}
            self._now = {}
            self._turned = now
            latest = now - FRESH_SECONDS
            self._fresh = {client: at for client, at in self._fresh.items() if at > latest}

    def admit(
        self,
        clients: Sequence[str],
        flagged: NDArray[np.bool_],
        now: float,
        held: NDArray[np.bool_] | None = None,
    ) -> bool:
        """Take note of clients judged together; True while static limits apply.

        Args:
            clients: Their keys.
            flagged: Which of them would be at a lower step.
            now: Seconds since the epoch.
            held: Which of them were there before.
        """
        self.forget(now)
        if len(self._now) < CAPACITY:
            self._now.update(zip(clients, flagged.tolist(), strict=True))
            # In one of the two only: both together are never copied, which takes long.
            for client in clients:
                self._before.pop(client, None)
            fresh = flagged if held is None else flagged & ~held
            self._fresh.update((clients[i], now) for i in np.flatnonzero(fresh).tolist())
        now_flagged, before = self._now, self._before
        odd = sum(now_flagged.get(x, before.get(x, False)) for x in self._fresh)
        recent = len(now_flagged) + len(before)
        is_crowd = odd >= LEAST_FLAGGED and odd > MAX_SHARE * recent
        if is_crowd != self.active:
            self.active = is_crowd
            event(
                logging.WARNING,
                "crowd_guard_on" if is_crowd else "crowd_guard_off",
                flagged=odd,
                clients=recent,
            )
        return is_crowd
