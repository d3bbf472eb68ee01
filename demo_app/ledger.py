"""Keep accounts of the answers that clients get: the demo's only source for its verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from demo_app.cast import Role

TOO_MANY: Final = 429
OTHER_LIMITS: Final = frozenset({"/api/heavy-operation"})
"""Paths with answers that may show a limit of their own instead of the client's."""


@dataclass(slots=True)
class Entry:
    """Keep the account of one client; one thread writes to it.

    Args:
        role: The client.
        full_limit: Requests per window of a normal client.
        clock: Seconds, of any origin.

    Attributes:
        sent: Requests.
        refused: Answers 429.
        failed: Requests without an answer, and answers 5xx.
        limit: Limit in force, as the last answer said.
        lowest: Lowest limit of all answers.
        first_flagged: Requests up to the first answer with a lower limit; None if there was none.
        flagged_at: Time at which the limit last became a lower one; None while it is full.
        flagged_seconds: Time with a lower limit in all, up to the last change.
        admitted_while_flagged: Requests admitted meanwhile.
        mended: Number of times that the limit became full again.
        seconds: Duration of each request.
    """

    role: Role
    full_limit: int
    clock: Callable[[], float]
    sent: int = 0
    refused: int = 0
    failed: int = 0
    limit: int = 0
    lowest: int = 0
    first_flagged: int | None = None
    flagged_at: float | None = None
    flagged_seconds: float = 0.0
    admitted_while_flagged: int = 0
    mended: int = 0
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limit = self.lowest = self.full_limit

    @property
    def admitted(self) -> int:
        """Count the requests that the limiter admitted."""
        return self.sent - self.refused - self.failed

    @property
    def is_flagged(self) -> bool:
        """Tell whether the last answer said that the client is flagged."""
        return self.flagged_at is not None

    def flagged_for(self) -> float:
        """Give the seconds for which the client has been flagged in all, up to now."""
        if self.flagged_at is None:
            return self.flagged_seconds
        return self.flagged_seconds + self.clock() - self.flagged_at

    def lost(self, seconds: float) -> None:
        """Record a request that got no answer."""
        self.sent += 1
        self.failed += 1
        self.seconds.append(seconds)

    def answered(
        self, path: str, status: int, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> None:
        """Record an answer.

        Args:
            path: Path of the request.
            status: Status of the answer.
            headers: Headers of the answer.
            body: Body of the answer.
            seconds: Duration of the request.
        """
        self.sent += 1
        self.seconds.append(seconds)
        if status >= 500:
            self.failed += 1
        limit = _shown_limit(headers)
        if path.partition("?")[0] in OTHER_LIMITS:
            limit = None
        if status == TOO_MANY:
            self.refused += 1
            flagged = _says_anomalous(body)
        elif limit is None:
            return
        else:
            flagged = limit < self.full_limit
        if flagged != self.is_flagged:
            self._turn(flagged)
        if limit is not None:
            self.limit = limit
            self.lowest = min(self.lowest, limit)
        if flagged and status != TOO_MANY:
            self.admitted_while_flagged += 1

    def _turn(self, flagged: bool) -> None:
        now = self.clock()
        if flagged:
            self.flagged_at = now
            if self.first_flagged is None:
                self.first_flagged = self.sent
        else:
            self.flagged_seconds += now - (self.flagged_at or now)
            self.flagged_at = None
            self.mended += 1


def _shown_limit(headers: Mapping[str, str]) -> int | None:
    text = headers.get("X-RateLimit-Limit", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _says_anomalous(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["detail"]["is_anomalous"])
    except (ValueError, KeyError, TypeError):
        return False
