"""Describe a limit within a request, as ``current_limit`` and ``on_breach`` give it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from limits import RateLimitItem

from flask_irl.limits.current import CurrentLimit


class Window(NamedTuple):
    """Tell how a limit stands.

    Attributes:
        reset_time: When it is whole again, in seconds since the epoch.
        remaining: Requests left.
    """

    reset_time: float
    remaining: int


@dataclass(frozen=True)
class RequestLimit:
    """Describe a limit within a request.

    Attributes:
        limit: Its figures, as ``limits`` has them.
        key: The key that counts.
        breached: Whether it refused the request.
        shared: Whether routes share it.
        at: When the request was decided on, in seconds since the epoch.
        ask: Asks the store how the limit stands; None where it can't be asked.
    """

    limit: RateLimitItem
    key: str
    breached: bool
    shared: bool
    at: float
    ask: Callable[[], CurrentLimit | None]

    @property
    def window(self) -> Window:
        """Tell how it stands, by one call of the store."""
        current = self.ask()
        if current is None:
            return Window(
                self.at + self.limit.get_expiry(), 0 if self.breached else self.limit.amount
            )
        return Window(self.at + current.reset_after, current.remaining)

    @property
    def reset_at(self) -> int:
        """Give the time at which it is whole again, in whole seconds since the epoch."""
        return int(self.window.reset_time + 1)

    @property
    def remaining(self) -> int:
        """Give the requests that are left."""
        return self.window.remaining
