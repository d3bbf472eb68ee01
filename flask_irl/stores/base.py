"""The seam between the limiter and where its state lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from flask_irl.limits.decision import Hit
from flask_irl.limits.override import Override
from flask_irl.limits.plan import Plan
from flask_irl.stores.site import SiteStore
from flask_irl.stores.state import ClientState, Update

SaveResult = Literal["saved", "stale", "gone"]
MODELS_KEPT = 5


Begun = Any
"""A request's question that is under way; only its store knows more of it."""


class Store(SiteStore, Protocol):
    """State shared by all that share the store; safe for threads and forks.

    Every method may raise :class:`~flask_irl.errors.StoreError`. ``hit`` is the only one on a
    request's path, and never waits longer than the store's timeout; the others belong to
    background work and may take their time.
    """

    local: bool
    """Whether the store is in this process, so that asking it costs no round trip."""

    def hit(self, plan: Plan, keys: Sequence[str], cost: int) -> Hit:
        """Count one request.

        Args:
            plan: The limits that apply.
            keys: One canonical client key for each of the plan's scopes, the client's own first.
            cost: What the request counts for, 0 or more.
        """

    def begin(self, plan: Plan, keys: Sequence[str], cost: int) -> Begun | None:
        """Begin to count one request, as :meth:`hit` does, and don't wait for the answer.

        Returns:
            What :meth:`end` must be given; None if nothing was begun.
        """

    def end(self, begun: Begun) -> Hit:
        """Wait for the answer to what was begun, once."""

    def now(self) -> float:
        """The store's clock, in seconds since the epoch."""

    def ping(self) -> None:
        """Return if the store answers."""

    def load(self, clients: Sequence[str]) -> list[ClientState | None]:
        """The clients' states, None for those that aren't known (any more)."""

    def save(self, updates: Sequence[Update], ttl_seconds: int) -> list[SaveResult]:
        """Save profiles and verdicts, each only if its revision is still current."""

    def forget(self, client: str, ttl_seconds: int) -> bool:
        """Drop all that is known of a client.

        Args:
            client: Its canonical key.
            ttl_seconds: Twice the longest window of any limit.

        Returns:
            Whether anything was known.
        """

    def set_override(self, client: str, override: Override | None, ttl_seconds: int) -> None:
        """Write an operator's word on a client, known or not, or take it out with None."""

    def add_rows(self, rows: Sequence[bytes], capacity: int) -> None:
        """Append training rows; the oldest beyond ``capacity`` go."""

    def rows(self) -> list[bytes]:
        """All training rows, oldest first."""

    def row_count(self) -> int:
        """Count the training rows without loading them."""

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add to the site's counters."""

    def counts(self) -> dict[str, int]:
        """The site's counters."""

    def model_version(self) -> int:
        """The version of the model in force, 0 for none."""

    def model(self, version: int) -> bytes | None:
        """A kept model's bytes."""

    def model_versions(self) -> list[int]:
        """The versions kept, newest first."""

    def publish(self, expected: int, version: int, blob: bytes) -> bool:
        """Put a model in force if ``expected`` still is; the last few are kept."""

    def activate(self, version: int) -> bool:
        """Put a kept model in force; whether it is kept."""

    def take_lease(self, name: str, owner: str, seconds: float) -> bool:
        """Take or renew a lease; False while another owner has it."""

    def release_lease(self, name: str, owner: str) -> None:
        """Give a lease back."""

    def expire(self) -> int:
        """Drop what has outlived its time; how many clients that were. Redis does it itself."""

    def after_fork(self) -> None:
        """Begin anew in a forked process."""

    def close(self) -> None:
        """Let connections go; the store may be used again."""
