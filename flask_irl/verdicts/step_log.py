"""Log the clients that take a step on the ladder, at a bounded rate."""

from __future__ import annotations

import logging
from typing import Final

from flask_irl.telemetry.log import Sampler, event

LOGGED_PER_SECOND: Final = 20
"""Most flagged clients, and most mended ones, that are logged in a second."""


class StepLog:
    """Log steps; an attacker with many names must not flood the log with them.

    Args:
        per_second: Most lines a second for steps down, and for steps up.
    """

    def __init__(self, per_second: int = LOGGED_PER_SECOND) -> None:
        self._down, self._up = (Sampler(1.0, burst=per_second) for _ in range(2))

    def log(self, client: str, before: int, after: int, score: float, factor: float) -> None:
        """Log one client's step.

        Args:
            client: Its key.
            before: Its step until now.
            after: Its step from now on.
            score: Its smoothed score, 0 to -1.
            factor: The share of its limit from now on, 0 to 1.
        """
        is_down = after > before
        suppressed = (self._down if is_down else self._up).passes()
        if suppressed is not None:
            event(
                logging.WARNING if is_down else logging.INFO,
                "client_flagged" if is_down else "client_mended",
                client=client,
                step=after,
                score=score,
                factor=factor,
                not_logged=suppressed,
            )
