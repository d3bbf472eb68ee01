"""Break the circuit to a failing store, so that no request waits for it until it answers again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

FAILURES: Final = 3
PAUSES: Final = (0.25, 0.5, 1.0, 2.0)


class Breaker:
    """Open after consecutive failures; then probe in the background, and close on success.

    Changes are reported one after the other, in the order in which they were made.

    Args:
        probe: Raises while the store is out; called on a thread of its own.
        report: Takes a change: True with the last error when it opened, False when it closed.
        failures: Consecutive failures that open it, 1 or more.
        pauses: Seconds between probes, the last one repeated.
    """

    def __init__(
        self,
        probe: Callable[[], object],
        report: Callable[[bool, str], object],
        failures: int = FAILURES,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._probe = probe
        self._report = report
        self._limit = failures
        self._pauses = pauses
        self.reset()

    def reset(self) -> None:
        """Begin anew, closed, as a forked process must: its parent's prober isn't there."""
        self.is_open = False
        self.failures = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ended = False
        self._changes: deque[tuple[bool, str]] = deque()
        self._reporting = threading.Lock()

    def failure(self, error: Exception) -> None:
        """Count a failed call, and open after too many."""
        with self._lock:
            self.failures += 1
            if self.is_open or self._ended or self.failures < self._limit:
                return
            self._stop = stop = threading.Event()
            prober = threading.Thread(
                target=self._watch, args=(stop,), name="irl-probe", daemon=True
            )
            try:
                prober.start()
            except RuntimeError:
                # No thread is to be had. Without a prober it would stay open for ever: requests
                # go on trying, until a failure finds a thread.
                self.failures = self._limit - 1
                return
            # The prober can't close it before: it needs the lock.
            self.is_open = True
            self._changes.append((True, str(error)))
        self._report_changes()

    def success(self) -> None:
        """Count a call that worked; needed only while ``failures`` isn't 0."""
        with self._lock:
            if not self.is_open:
                self.failures = 0

    def close(self) -> None:
        """Stop probing for good: the breaker stays as it is."""
        with self._lock:
            self._ended = True
            self._stop.set()

    def _watch(self, stop: threading.Event) -> None:
        tries = 0
        while not stop.wait(self._pauses[min(tries, len(self._pauses) - 1)]):
            tries += 1
            try:
                self._probe()
            except Exception:  # noqa: S112 - the probe watches for just that
                continue
            with self._lock:
                if stop.is_set():
                    return
                self.is_open = False
                self.failures = 0
                self._changes.append((False, ""))
            self._report_changes()
            return

    def _report_changes(self) -> None:
        # Whichever thread comes first reports for the others, too: in order.
        with self._reporting:
            while self._changes:
                self._report(*self._changes.popleft())
