"""Start background work with a request, and again after a pause where no thread is to be had."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

from flask_irl.limiter.failures import Failures
from flask_irl.telemetry.log import event

PAUSE_SECONDS: Final = 10.0
"""Time between two tries."""


class StartReport:
    """Report once that background work waits for a thread, and that it has started at last.

    Args:
        failures: Counts each try.
    """

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._failed = False

    def failed(self, error: RuntimeError) -> None:
        """Report that no thread could be started: the host is at its limit of them, or of memory.

        Args:
            error: Python's only word for it.
        """
        self._failures.count_swallowed("start")
        if not self._failed:
            event(
                logging.WARNING,
                "background_waiting",
                error=error,
                retry_seconds=PAUSE_SECONDS,
            )
        self._failed = True

    def succeeded(self) -> None:
        """Report that background work has started, if that has failed before."""
        if self._failed:
            event(logging.WARNING, "background_started")
        self._failed = False


class Starting:
    """Start background work once in a process; what keeps it from starting keeps no request.

    Args:
        start: Starts it, or raises.
        failures: Takes what it raises.
        monotonic: Seconds of a clock that is never set.

    Attributes:
        done: Whether it has started: then :meth:`attempt` need not be called.
    """

    def __init__(
        self, start: Callable[[], object], failures: Failures, monotonic: Callable[[], float]
    ) -> None:
        self._start = start
        self._failures = failures
        self._monotonic = monotonic
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked process: its parent's threads aren't here."""
        self.done = False
        self._next = -math.inf
        self._report = StartReport(self._failures)

    def attempt(self) -> None:
        """Start it, unless that failed a moment ago; never raises."""
        now = self._monotonic()
        if now < self._next:
            return
        # First: other requests needn't try meanwhile.
        self._next = now + PAUSE_SECONDS
        try:
            self._start()
        except RuntimeError as error:
            self._report.failed(error)
        except Exception as error:
            self._failures.swallow("start", error)
        else:
            self._report.succeeded()
