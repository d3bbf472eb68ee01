"""A circuit breaker: after a few failures nobody waits for the store until it answers again."""

from __future__ import annotations

import threading
from collections.abc import Callable

FAILURES = 3
PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds between probes, the last one repeated."""


class Breaker:
    """Opens after consecutive failures; then probes in the background and closes on success.

    Args:
        probe: Raises while the store is out; called on a thread of its own.
        changed: Told True with the last error when it opens, and False when it closes.
        failures: Consecutive failures that open it, 1 or more.
    """

    def __init__(
        self,
        probe: Callable[[], object],
        changed: Callable[[bool, str], object],
        failures: int = FAILURES,
    ) -> None:
        self.is_open = False
        self.failures = 0
        self._probe = probe
        self._changed = changed
        self._most = failures
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._closed = False

    def failure(self, error: Exception) -> None:
        """A call failed."""
        with self._lock:
            self.failures += 1
            if self.is_open or self._closed or self.failures < self._most:
                return
            self.is_open = True
            self._stop = stop = threading.Event()
            announced = threading.Event()
            prober = threading.Thread(
                target=self._watch, args=(stop, announced), name="irl-probe", daemon=True
            )
            try:
                prober.start()
            except RuntimeError:
                # No thread is to be had. Without a prober it would stay open for ever: requests
                # go on trying, until a failure finds a thread.
                self.is_open = False
                self.failures = self._most - 1
                return
        try:
            self._changed(True, str(error))
        finally:
            announced.set()

    def success(self) -> None:
        """A call worked; call it only when ``failures`` isn't 0."""
        with self._lock:
            if not self.is_open:
                self.failures = 0

    def reset(self) -> None:
        """Begin anew, closed, as a forked process must: its parent's prober isn't there."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.is_open = False
        self.failures = 0
        self._closed = False

    def close(self) -> None:
        """Stop probing, and don't begin again: from now on it stays as it is."""
        with self._lock:
            self._closed = True
            self._stop.set()

    def _watch(self, stop: threading.Event, announced: threading.Event) -> None:
        announced.wait()
        tries = 0
        while not stop.wait(PAUSES[min(tries, len(PAUSES) - 1)]):
            tries += 1
            try:
                self._probe()
            except Exception:  # noqa: S112 - that it fails is what is being watched
                continue
            with self._lock:
                if stop.is_set():
                    return
                self.is_open = False
                self.failures = 0
            self._changed(False, "")
            return
