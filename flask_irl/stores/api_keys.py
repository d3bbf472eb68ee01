"""Define the protocol of the API keys' records, which lie beside their clients' states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from flask_irl.api_keys.presented import Seen, StoredKey
from flask_irl.limits.decision import Hit
from flask_irl.limits.plan import Plan
from flask_irl.limits.quota_lease import LeaseCall, Leased


class KeyUse(NamedTuple):
    """Count the uses of an API key.

    Attributes:
        requests: Requests that presented it.
        refused: Those of them that its limits refused.
        last: Time of the latest, in seconds since the epoch; 0 for none.
    """

    requests: int
    refused: int
    last: float


NO_USE: Final = KeyUse(0, 0, 0.0)


class ApiKeyStore(Protocol):
    """Keep API keys; every method may raise :class:`~flask_irl.errors.StoreError`.

    ``api_key``, ``hit_keyed``, ``keyed_lease`` and what begins them are on a request's path and
    never wait longer than the store's timeout.
    """

    def api_key(self, key_id: str) -> StoredKey:
        """Read the record of an API key."""

    def begin_keyed(self, plan: Plan, keys: Sequence[str], cost: int, seen: Seen) -> Any:
        """Begin what :meth:`hit_keyed` ends; None if nothing was begun."""

    def hit_keyed(
        self, plan: Plan, keys: Sequence[str], cost: int, seen: Seen, begun: Any
    ) -> Hit | StoredKey:
        """Count one request of an API key's client, as ``Store.hit`` does, if its record is known.

        Args:
            plan: As of ``Store.hit``.
            keys: As of it; the first is the client of the API key.
            cost: As of it.
            seen: What is known of the key's record.
            begun: From :meth:`begin_keyed`, None for nothing.

        Returns:
            The answer; or where another record is stored, none, or the key has ended, that record:
            then nothing was counted.
        """

    def begin_keyed_lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, seen: Seen
    ) -> Any:
        """Begin what :meth:`keyed_lease` ends; None if nothing was begun."""

    def keyed_lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, seen: Seen, begun: Any
    ) -> Leased | StoredKey:
        """Ask for a quota lease as ``Store.lease`` does, if the API key's record is known.

        Args:
            plan: As of ``Store.lease``.
            keys: As of it; the first is the client of the API key.
            call: As of it.
            seen: As of :meth:`hit_keyed`.
            begun: From :meth:`begin_keyed_lease`, None for nothing.

        Returns:
            The answer; or the record, as of :meth:`hit_keyed`.
        """

    def put_api_key(
        self, key_id: str, expected: bytes, record: bytes, seconds: int | None = None
    ) -> bool:
        """Write the record of an API key, if its revision is still the expected one.

        Args:
            key_id: The key's id.
            expected: The revision; empty for no record.
            record: The record, its new revision first.
            seconds: Time after which the record goes, and its uses; None for never.
        """

    def api_key_records(self, key_ids: Sequence[str]) -> list[bytes | None]:
        """Read the records of API keys; None for a key without one."""

    def index_api_key(self, names: Sequence[str], gone: Sequence[str] = ()) -> None:
        """List an API key under some names, and under others no more."""

    def api_key_names(self, beginning: str, offset: int, count: int) -> tuple[list[str], int]:
        """Read names in the index of API keys that begin with a text, in order, and count them.

        Args:
            beginning: The text.
            offset: The number of names to skip, 0 or more.
            count: The number of names to read at most.
        """

    def add_key_uses(self, uses: Mapping[str, KeyUse]) -> None:
        """Add to the uses of API keys, by id, where there are such keys."""

    def key_uses(self, key_ids: Sequence[str]) -> list[KeyUse]:
        """Read the uses of API keys."""
