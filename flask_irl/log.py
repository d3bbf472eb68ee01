"""Log lines: one event a line, ``event key=value …``, safe whatever the values contain."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger("flask_irl")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    text = str(value)
    if text and text.isprintable() and not any(c in ' "=' for c in text):
        return text
    # One line, one field: quotes, controls and separators are escaped.
    return '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'


def event(level: int, name: str, /, **fields: object) -> None:
    """Log an event.

    Args:
        level: As in ``logging``.
        name: The event's stable name.
        fields: What happened.
    """
    if logger.isEnabledFor(level):
        logger.log(level, "%s", " ".join([name, *(f"{k}={_shown(v)}" for k, v in fields.items())]))


def failure(name: str, error: BaseException, /, **fields: object) -> None:
    """Log an error of our own that the host must not notice, with its traceback."""
    shown = " ".join([name, *(f"{k}={_shown(v)}" for k, v in fields.items())])
    logger.error("%s error=%s", shown, _shown(repr(error)), exc_info=error)


class Sampler:
    """Lets an event through at most so often, and tells how many it held back.

    Args:
        seconds: The least time between two.
        clock: Seconds, of any origin.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = 0.0
        self._held = 0
        self._lock = threading.Lock()

    def passes(self) -> int | None:
        """How many were held back since the last one that passed; None to hold this one back."""
        now = self._clock()
        with self._lock:
            if now < self._next:
                self._held += 1
                return None
            self._next = now + self._seconds
            held, self._held = self._held, 0
            return held
