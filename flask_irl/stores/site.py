"""Define the protocol of the state that belongs to the site as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

from flask_irl.behaviour.site_counts import MinuteCounts
from flask_irl.stores.history import History, HistoryStore
from flask_irl.stores.kept import KeptStore
from flask_irl.stores.recent import RecentStore

AUDIT_KEPT: Final = 1000
"""Entries of the audit log that are kept."""
RANKED: Final = 1000
"""Clients of each ranking that are kept."""
OVERRIDDEN: Final = "overridden"
"""Name of the ranking of clients with an override of their own, by the override's end."""
MINUTES_KEPT: Final = 125
"""Minutes whose requests are counted each by itself."""
WORKER_SECONDS: Final = 30.0
"""Time after which a worker that tells nothing of itself isn't counted any more."""


class Pin(NamedTuple):
    """Hold a model in force, whatever is published meanwhile.

    Attributes:
        version: The model's version, 1 or more.
        until: End, in seconds since the epoch; 0 for a pin that lasts until it is taken back.
    """

    version: int
    until: float = 0.0

    def holds(self, now: float) -> bool:
        """Tell whether the pin is in force at a time, in seconds since the epoch."""
        return not self.until or now < self.until


class Publication(IntEnum):
    """Name the outcome of the publication of a model; false for a model that isn't stored."""

    OVERTAKEN = 0
    """Another version than the expected one is in force, or a model has this version already."""
    IN_FORCE = 1
    """It is stored and in force."""
    KEPT_ASIDE = 2
    """It is stored, but another version is pinned."""


class Revisions(NamedTuple):
    """Tell which state of the site is current; a worker reads them every two seconds.

    Attributes:
        model: Version of the model in force, 0 for none.
        settings: Revision of the settings made at run time, 0 for none.
        epoch: Number that grows whenever workers must drop their memories of clients.
        networks: Revision of the operators' overrides of networks, 0 for none.
        pin: The pin in force, None for none.
        campaigns: Revision of the table of running campaigns, 0 for none.
        assigned: Revision of the rate plans that operators assigned clients, 0 for none.
    """

    model: int
    settings: int
    epoch: int
    networks: int = 0
    pin: Pin | None = None
    campaigns: int = 0
    assigned: int = 0


class SiteStore(HistoryStore, KeptStore, RecentStore, Protocol):
    """Keep the state of the site; off every request's path.

    Every method may raise :class:`~flask_irl.errors.StoreError`.
    """

    def revisions(self) -> Revisions:
        """Read the current revisions, in one round trip."""

    def revisions_of(self, stores: Sequence[Any]) -> list[Revisions]:
        """Read the revisions of parts of this store, see ``Store.within``, in one round trip."""

    def admit_tenant(self, tenant: str, most: int) -> bool:
        """Note a tenant that is not declared; False if there are ``most`` others already."""

    def tenants(self) -> list[str]:
        """List the tenants that were noted."""

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

    def assigned(self) -> dict[str, bytes]:
        """Read the clients that operators have assigned a rate plan, each with that, encoded."""

    def put_assigned(self, client: str, assignment: bytes, most: int) -> bool:
        """Write a client's assignment; False if there are ``most`` other clients already.

        Their revision grows.
        """

    def drop_assigned(self, clients: Sequence[str], expected: int | None = None) -> bool:
        """Remove assignments; arguments and answer as of :meth:`drop_networks`."""

    def campaigns(self) -> tuple[int, bytes | None]:
        """Read the revision and the table of campaigns; 0 and None if there is none."""

    def put_campaigns(self, expected: int, table: bytes) -> bool:
        """Replace the table if ``expected`` is still its revision, which then grows by one."""

    def table(self, name: str) -> tuple[int, bytes | None]:
        """Read the revision and the content of another table; 0 and None if there is none."""

    def put_table(self, name: str, expected: int, table: bytes) -> bool:
        """Replace a table if ``expected`` is still its revision, which then grows by one."""

    def add_news(self, name: str, news: bytes, most: int) -> None:
        """Append a report for the worker that reads them; the latest ``most`` are kept."""

    def take_news(self, name: str, most: int) -> list[bytes]:
        """Remove and read the oldest reports of a name, at most ``most``."""

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

    def add_counts(
        self,
        counts: Mapping[str, int],
        minutes: Mapping[int, MinuteCounts] | None = None,
        history: History | None = None,
    ) -> None:
        """Add to the site's counters, to those of some minutes, and to its history.

        It takes one round trip.

        Args:
            counts: Amounts by the counter's name.
            minutes: Amounts by minute since the epoch; kept for about two hours.
            history: Rollups and tallies.
        """

    def counts(self) -> dict[str, int]:
        """Read the site's counters."""

    def minutes(self, wanted: Sequence[int]) -> dict[int, MinuteCounts]:
        """Read the counters of some minutes; those without a request or kept no longer are absent.

        Args:
            wanted: Minutes since the epoch.
        """

    def tell_worker(self, worker: str, report: bytes) -> None:
        """Note that a worker lives, with its report of itself; for half a minute.

        Args:
            worker: Its name, not empty.
            report: Any bytes.
        """

    def workers(self) -> dict[str, bytes]:
        """Read the reports of the workers that live."""

    def put_note(self, name: str, note: bytes) -> None:
        """Write a note that replaces the one of that name."""

    def note(self, name: str) -> bytes | None:
        """Read a note; None if there is none."""

    def model_version(self) -> int:
        """Read the version of the model in force, 0 for none."""

    def model(self, version: int) -> bytes | None:
        """Read the bytes of a stored model."""

    def model_versions(self) -> list[int]:
        """List the versions of stored models, newest first."""

    def publish(self, expected: int, version: int, blob: bytes) -> Publication:
        """Store a model and put it in force, if version ``expected`` still is in force.

        While a version is pinned, the model is stored and that version stays in force. Older
        models are thinned out as :mod:`flask_irl.stores.retention` says.
        """

    def pin(self, version: int, until: float = 0.0) -> bool:
        """Put a stored model in force and pin it there, in place of any other pin.

        Args:
            version: The model's version.
            until: End of the pin, in seconds since the epoch; 0 for none.

        Returns:
            False if the version is not stored.
        """

    def unpin(self) -> bool:
        """Take the pin back; the model stays in force until one is published. False for none."""

    def take_lease(self, name: str, owner: str, seconds: float) -> bool:
        """Take or renew a lease; False while another owner has it."""

    def release_lease(self, name: str, owner: str) -> None:
        """Give a lease back."""
