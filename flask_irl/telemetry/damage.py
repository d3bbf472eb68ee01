"""Report values of the store that can't be read: each in a metric, and in the log at times."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

from flask_irl.telemetry.events import Notify, ValueDamaged, ignore
from flask_irl.telemetry.log import Sampler, event

LOG_SECONDS: Final = 1.0


class DamageLog:
    """Count damaged values of a kind, and log them, at most one line a second.

    Args:
        kind: Their kind, one of ``DAMAGES`` of :mod:`flask_irl.telemetry.prometheus`.
        name: Name of the event in the log.
        notify: Takes an event for each.
        clock: Seconds, of any origin.

    Attributes:
        notify: Takes an event for each from now on.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        notify: Notify = ignore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.notify = notify
        self._kind = kind
        self._name = name
        self._sampler = Sampler(LOG_SECONDS, clock)

    def tell(self, reason: str) -> None:
        """Report one damaged value by the reason alone."""
        self.report(reason=reason)

    def report(self, *, kind: str = "", count: int = 1, **fields: object) -> None:
        """Report damaged values, which count as absent.

        Args:
            kind: Their kind, where it is another one.
            count: Their number.
            **fields: Fields of the log's line.
        """
        # A listener that fails must not make a damaged value one that fails a call.
        with contextlib.suppress(Exception):
            self.notify(ValueDamaged(kind or self._kind, count))
        held = self._sampler.passes()
        if held is not None:
            event(logging.WARNING, self._name, **fields, not_logged=held + count - 1)
