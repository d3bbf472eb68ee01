"""Log refused requests, not too often."""

from __future__ import annotations

import logging
from typing import Final

from flask_irl.limits.decision import Decision
from flask_irl.telemetry.log import Sampler, event

LOG_SECONDS: Final = 1.0


class RefusalLog:
    """Write refused requests to the log, at most one line a second."""

    def __init__(self) -> None:
        self._sampler = Sampler(LOG_SECONDS)

    def write(self, decision: Decision, route: str) -> None:
        """Write a refused request, if it is time for a line.

        Args:
            decision: The decision on it.
            route: Its route.
        """
        held = self._sampler.passes()
        if held is not None:
            event(
                logging.INFO,
                "request_refused",
                client=decision.key,
                route=route,
                limit=decision.limit,
                retry_after=decision.retry_after,
                anomalous=decision.is_anomalous,
                not_logged=held,
            )
