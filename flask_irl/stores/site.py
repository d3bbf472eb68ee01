"""Define the protocol of the state that belongs to the site as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

AUDIT_KEPT: Final = 1000
"""Entries of the audit log that are kept."""
RANKED: Final = 1000
"""Clients of each ranking that are kept."""
MODELS_KEPT: Final = 5
"""Versions of the model that are kept."""
OVERRIDDEN: Final = "overridden"
"""Name of the ranking of clients with an override of their own, by the override's end."""


class Revisions(NamedTuple):
    """Tell which state of the site is current; a worker reads them every two seconds.

    Attributes:
        model: Version of the model in force, 0 for none.
        settings: Revision of the settings made at run time, 0 for none.
        epoch: Number that grows whenever workers must drop their memories of clients.
        networks: Revision of the operators' overrides of networks, 0 for none.
    """

    model: int
    settings: int
    epoch: int
    networks: int = 0


class SiteStore(Protocol):
    """Keep the state of the site; off every request's path.

    Every method may raise :class:`~flask_irl.errors.StoreError`.
    """

    def revisions(self) -> Revisions:
        """Read the current revisions, in one round trip."""

    def advance_epoch(self) -> None:
        """Have every worker drop its memories of clients."""

    def settings(self) -> tuple[int, bytes | None]:
        """Read the revision and the settings made at run time; 0 and None if there are none."""

    def put_settings(self, expected: int, settings: bytes) -> bool:
        """Replace the settings if ``expected`` is still their revision, which then grows by one."""

    def networks(self) -> dict[str, bytes]:
        """Read the networks that operators have overridden, each with its encoded override."""

    def put_network(self, network: str, override: bytes, most: int) -> bool:
        """Write a network's override; False if there are ``most`` other networks already.

        Their revision grows.
        """

    def drop_networks(self, networks: Sequence[str], expected: int | None = None) -> bool:
        """Remove overrides of networks; the revision grows if there were any.

        Args:
            networks: The networks.
            expected: Revision at which they are to be removed; None for any.

        Returns:
            False if the revision is another.
        """

    def add_audit(self, entry: bytes) -> None:
        """Append an entry to the audit log; the last thousand are kept."""

    def audit(self, offset: int, count: int) -> tuple[list[bytes], int]:
        """Read entries of the audit log, newest first, and the number of all entries."""

    def rank(self, name: str, entries: Mapping[str, float], gone: Sequence[str] = ()) -> None:
        """Put clients into a ranking and remove others; the thousand highest are kept.

        Args:
            name: The ranking.
            entries: Value of each client to put in.
            gone: Clients to remove.
        """

    def ranked(
        self, name: str, offset: int, count: int, least: float | None = None
    ) -> tuple[list[str], int]:
        """Read the clients of a ranking, highest first, and the number of all its clients.

        Args:
            name: The ranking.
            offset: The number of clients to skip, 0 or more.
            count: The number of clients to read at most.
            least: Leaves out clients of a lower value, also of the number; None for no one.
        """

    def count_unique(self, clients: Sequence[str]) -> None:
        """Count clients among the unique ones."""

    def unique_clients(self) -> int:
        """Estimate the number of different clients, to about one percent."""

    def add_rows(self, rows: Sequence[bytes], capacity: int) -> None:
        """Append training rows; the oldest beyond ``capacity`` are dropped."""

    def rows(self) -> list[bytes]:
        """Read all training rows, oldest first."""

    def row_count(self) -> int:
        """Count the training rows without loading them."""

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add to the site's counters."""

    def counts(self) -> dict[str, int]:
        """Read the site's counters."""

    def model_version(self) -> int:
        """Read the version of the model in force, 0 for none."""

    def model(self, version: int) -> bytes | None:
        """Read the bytes of a stored model."""

    def model_versions(self) -> list[int]:
        """List the versions of stored models, newest first."""

    def publish(self, expected: int, version: int, blob: bytes) -> bool:
        """Store a model and put it in force, if version ``expected`` still is in force."""

    def activate(self, version: int) -> bool:
        """Put a stored model in force; False if the version is not stored."""

    def take_lease(self, name: str, owner: str, seconds: float) -> bool:
        """Take or renew a lease; False while another owner has it."""

    def release_lease(self, name: str, owner: str) -> None:
        """Give a lease back."""
