"""Keep the models of the site in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flask_irl.stores.retention import superfluous
from flask_irl.stores.site import Pin, Publication


class MemoryModels:
    """Keep the models of the site; see the protocol ``SiteStore``.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._models: dict[int, bytes] = {}
        self._published: dict[int, float] = {}
        self._version = 0
        self._pin: Pin | None = None

    def model_version(self) -> int:
        return self._version

    def model(self, version: int) -> bytes | None:
        return self._models.get(version)

    def model_versions(self) -> list[int]:
        with self._lock:
            return sorted(self._models, reverse=True)

    def publish(self, expected: int, version: int, blob: bytes) -> Publication:
        with self._lock:
            now = self._clock()
            pin = self._pin_at(now)
            if version in self._models or (pin is None and self._version != expected):
                return Publication.OVERTAKEN
            self._models[version] = blob
            self._published[version] = now
            if pin is None:
                self._version = version
            for old in superfluous(self._published, now, {self._version}):
                del self._published[old]
                self._models.pop(old, None)
            return Publication.IN_FORCE if pin is None else Publication.KEPT_ASIDE

    def pin(self, version: int, until: float = 0.0) -> bool:
        with self._lock:
            if version not in self._models:
                return False
            self._version = version
            self._pin = Pin(version, until)
            return True

    def unpin(self) -> bool:
        with self._lock:
            pin, self._pin = self._pin_at(self._clock()), None
            return pin is not None

    def _pin_at(self, now: float) -> Pin | None:
        return self._pin if self._pin is not None and self._pin.holds(now) else None
