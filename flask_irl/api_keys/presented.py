"""Carry an API key that a request presents, from its header to the decision on the request."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from flask_irl.api_keys.record import ApiKey
from flask_irl.api_keys.text import client_of

Rejection = Literal["unknown", "revoked", "expired", "checksum", "ambiguous", "unverified"]
"""Reason for which a key isn't accepted: ``checksum`` where its text is wrong, ``ambiguous`` where
two headers have different keys, ``unverified`` where no store tells whether it is valid."""
UNKNOWN: Final[Rejection] = "unknown"


class Seen(NamedTuple):
    """Hold what a worker knows of a key's record, for the store to confirm.

    Attributes:
        revision: Revision of the record, eight bytes.
        until: End of the key's text, in seconds since the epoch; 0 for none.
    """

    revision: bytes
    until: float


class StoredKey(NamedTuple):
    """Hold a store's answer on an API key, when nothing was counted.

    Attributes:
        record: The record's bytes; None where there is none.
        now: The store's time, in seconds since the epoch.
    """

    record: bytes | None
    now: float


class PresentedKey(str):
    """Name the client of a request that presents an API key; the request's deciders write it.

    It is the client's key, and so goes wherever that goes; it doesn't hold the key's text.

    Attributes:
        key_id: The id in the text; empty if that is malformed.
        address: Key of the client that counts if the key isn't accepted.
        digests: Hashes of the text.
        key: The key, once its text was found to be right; else None.
        seen: The record that it was compared with.
        confirmed: Whether the store, or what stands for it, has confirmed that in this request.
        rejection: Reason for which it isn't accepted; empty if it is, or that isn't known yet.
        noted: Whether the request is among the key's uses.
    """

    __slots__ = (
        *("address", "confirmed", "digests", "key", "key_id"),
        *("noted", "rejection", "seen"),
    )

    key_id: str
    address: str
    digests: tuple[bytes, ...]
    key: ApiKey | None
    seen: Seen | None
    confirmed: bool
    rejection: Rejection | Literal[""]
    noted: bool

    @classmethod
    def of(cls, key_id: str, address: str, digests: tuple[bytes, ...]) -> PresentedKey:
        """Present a key whose text is well-formed."""
        self = cls(client_of(key_id))
        self.key_id, self.address, self.digests = key_id, address, digests
        self.key, self.seen, self.rejection = None, None, ""
        self.confirmed = self.noted = False
        return self

    @classmethod
    def rejected(cls, rejection: Rejection, address: str) -> PresentedKey:
        """Present a key that isn't accepted, whatever the store says."""
        self = cls.of("", address, ())
        self.reject(rejection)
        return self

    def accept(self, key: ApiKey, seen: Seen) -> None:
        """Take the key's text for right, by a record."""
        self.key, self.seen, self.rejection = key, seen, ""

    def reject(self, rejection: Rejection) -> None:
        """Take the key for one that isn't accepted."""
        self.key, self.seen, self.rejection = None, None, rejection

    @property
    def valid(self) -> ApiKey | None:
        """Give the key if it is accepted, and that was confirmed in this request."""
        return self.key if self.confirmed and not self.rejection else None
