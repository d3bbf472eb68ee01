"""Report a training: its result, and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["accepted", "kept_aside", "rejected", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Training:
    """Report a training.

    Attributes:
        result: ``accepted`` (in force), ``kept_aside`` (good, but another version is pinned),
            ``rejected`` (by the gate, or another model came into force meanwhile), ``refused``
            (not started), ``failed``.
        reason: Why, for people; empty when accepted.
        version: The model's version; 0 if there is none.
        rows: Number of rows it was trained on.
        clients: Number of different clients among them.
        requests: Number of requests that the rows stand for.
        seconds: Duration.
        at: Beginning, in seconds since the epoch.
    """

    result: Result
    reason: str = ""
    version: int = 0
    rows: int = 0
    clients: int = 0
    requests: int = 0
    seconds: float = 0.0
    at: float = 0.0
