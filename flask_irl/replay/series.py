"""Count a replay's requests over time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

MAX_BUCKETS: Final = 2_000


@dataclass(slots=True)
class Series:
    """Count requests over time, in at most :data:`MAX_BUCKETS` buckets of equal width.

    Args:
        bucket_seconds: Width of a bucket at first; doubled when there would be too many.

    Attributes:
        first: Number of the first bucket, which begins ``first * bucket_seconds`` after the epoch.
        allowed: Requests admitted, per bucket. The other lists are as long.
        refused: Requests that the limiter refused.
        flagged: Requests of anomalous clients, refused or not.
        static_refused: Requests that the full limit with no model refuses.

    Raises:
        ValueError: ``bucket_seconds`` is not a positive number.
    """

    bucket_seconds: float = 60.0
    first: int = 0
    allowed: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    flagged: list[int] = field(default_factory=list)
    static_refused: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 < self.bucket_seconds < math.inf:
            raise ValueError(f"bucket_seconds is {self.bucket_seconds}; it must be positive")

    def add(self, ts: float, refused: bool, flagged: bool, static_refused: bool) -> None:
        """Count a request.

        Args:
            ts: Time of the request, in unix seconds; finite, in any order.
            refused: True if the limiter refused the request.
            flagged: True if the client was anomalous.
            static_refused: True if the full limit alone refuses the request.
        """
        index = int(ts // self.bucket_seconds) - self.first
        if not 0 <= index < len(self.allowed):
            index = self._make_room(ts)
        if refused:
            self.refused[index] += 1
        else:
            self.allowed[index] += 1
        if flagged:
            self.flagged[index] += 1
        if static_refused:
            self.static_refused[index] += 1

    def _make_room(self, ts: float) -> int:
        number = int(ts // self.bucket_seconds)
        if not self.allowed:
            self.first = number
        while True:
            first = min(self.first, number)
            length = max(self.first + len(self.allowed), number + 1) - first
            if length <= MAX_BUCKETS:
                break
            self._double()
            number = int(ts // self.bucket_seconds)
        before = self.first - first
        after = length - len(self.allowed) - before
        for counts in self._counts():
            counts[:] = [0] * before + counts + [0] * after
        self.first = first
        return number - first

    def _double(self) -> None:
        odd = self.first % 2
        for counts in self._counts():
            padded = [0] * odd + counts
            counts[:] = [sum(padded[i : i + 2]) for i in range(0, len(padded), 2)]
        self.first //= 2
        self.bucket_seconds *= 2

    def _counts(self) -> tuple[list[int], ...]:
        return self.allowed, self.refused, self.flagged, self.static_refused
