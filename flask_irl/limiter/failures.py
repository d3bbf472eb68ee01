"""What goes wrong in the limiter ends here: counted, logged (not too often), kept from the app."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Final

from flask_irl.errors import StoreError
from flask_irl.limiter.breaker import Breaker
from flask_irl.telemetry.events import ErrorSwallowed, Notify, StoreFailed
from flask_irl.telemetry.log import Sampler, event, failure

LOG_SECONDS: Final = 1.0


class Troubles:
    """Takes errors.

    Args:
        notify: Takes the event of each.
        breaker: Told of the store's.
    """

    def __init__(self, notify: Notify, breaker: Breaker) -> None:
        self._notify = notify
        self._breaker = breaker
        self._log = Sampler(LOG_SECONDS)

    def store_failed(self, error: Exception) -> None:
        """A call of the store failed."""
        kind = error.kind if isinstance(error, StoreError) else "error"
        with contextlib.suppress(Exception):
            self._notify(StoreFailed(kind))
        held = self._log.passes()
        if held is not None:
            if isinstance(error, StoreError):
                event(logging.WARNING, "store_error", kind=kind, error=error, not_logged=held)
            else:
                failure("store_error", error, kind=kind, not_logged=held)
        self._breaker.failure(error)

    def swallow(self, where: str, error: BaseException) -> None:
        """Keep an error of our own from the host."""
        # It may be the listener that failed.
        with contextlib.suppress(Exception):
            self._notify(ErrorSwallowed(where))
        held = self._log.passes()
        if held is not None:
            failure("limiter_error", error, where=where, not_logged=held)

    def guarded(self, where: str, work: Callable[[], object]) -> None:
        """Do background work, whose errors end here."""
        try:
            work()
        except StoreError as error:
            self.store_failed(error)
        except Exception as error:
            self.swallow(where, error)
