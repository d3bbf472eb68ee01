"""What the limiter tells whoever keeps metrics."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flask_irl.limits.decision import Decision


class Listener(Protocol):
    """Told of what happens; must be quick, safe for threads, and never raise."""

    def decided(self, decision: Decision, route: str, seconds: float) -> None:
        """A request was decided on, which took ``seconds``."""

    def exempted(self, route: str) -> None:
        """A request isn't limited."""

    def scored(self, scores: NDArray[np.float64]) -> None:
        """Clients were scored."""

    def flagged(self, clients: int) -> None:
        """So many of the clients seen in the last minutes are at a lower step."""

    def trained(self, result: str, seconds: float) -> None:
        """A training ended: ``accepted``, ``rejected``, ``refused`` or ``failed``."""

    def model_loaded(self, version: int, trained_at: float) -> None:
        """A model came into force in this process."""

    def store_failed(self, kind: str) -> None:
        """A call of the store failed."""

    def fallback(self, active: bool) -> None:
        """The store was lost, or is back."""

    def admin_refused(self, reason: str) -> None:
        """The admin API refused a request: who asked may not."""

    def swallowed(self, where: str) -> None:
        """An error of our own was kept from the host."""


class NullListener:
    """Keeps nothing."""

    def decided(self, decision: Decision, route: str, seconds: float) -> None: ...

    def exempted(self, route: str) -> None: ...

    def scored(self, scores: NDArray[np.float64]) -> None: ...

    def flagged(self, clients: int) -> None: ...

    def trained(self, result: str, seconds: float) -> None: ...

    def model_loaded(self, version: int, trained_at: float) -> None: ...

    def store_failed(self, kind: str) -> None: ...

    def fallback(self, active: bool) -> None: ...

    def swallowed(self, where: str) -> None: ...

    def admin_refused(self, reason: str) -> None: ...
