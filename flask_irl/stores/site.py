"""The operator's side of a store: what is kept of the site as a whole, off every request's path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

AUDIT_KEPT: Final = 1000
RANKED: Final = 1000
"""Clients kept in each ranking."""


class News(NamedTuple):
    """What a worker asks for every two seconds, in one round trip.

    Attributes:
        model: The version of the model in force.
        settings: The revision of the settings made at run time.
        epoch: Grows whenever workers shall drop what they remember of clients.
    """

    model: int
    settings: int
    epoch: int


class SiteStore(Protocol):
    """Every method may raise :class:`~flask_irl.errors.StoreError`."""

    def news(self) -> News:
        """What may have changed."""

    def bump(self) -> None:
        """Have every worker drop what it remembers of clients."""

    def settings(self) -> tuple[int, bytes | None]:
        """The settings made at run time and their revision; 0 and None if none were made."""

    def put_settings(self, expected: int, settings: bytes) -> bool:
        """Replace the settings if ``expected`` is still their revision, which then grows by one."""

    def add_audit(self, entry: bytes) -> None:
        """Append an entry to the audit log, of which the last thousand are kept."""

    def audit(self, offset: int, count: int) -> tuple[list[bytes], int]:
        """Entries of the audit log, newest first, and how many there are in all."""

    def rank(self, name: str, entries: Mapping[str, float], gone: Sequence[str] = ()) -> None:
        """Put clients into a ranking, and take others out; the thousand highest are kept."""

    def ranked(self, name: str, offset: int, count: int) -> tuple[list[str], int]:
        """Clients of a ranking, highest first, and how many there are in all."""

    def saw(self, clients: Sequence[str]) -> None:
        """Count clients among the unique ones."""

    def unique_clients(self) -> int:
        """How many different clients there were, to about one percent."""
