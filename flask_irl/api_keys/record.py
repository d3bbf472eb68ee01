"""Describe the record of an API key, and its form in the store.

That is a revision of eight random bytes, by which scripts tell a changed record, and JSON behind
it. Unknown members are left alone: a later version may know them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from flask_irl.api_keys.hashing import HASH_BYTES, NOBODYS, Hashes
from flask_irl.api_keys.text import ENVIRONMENTS, KEY_ID, Environment, client_of, prefix_of
from flask_irl.stored import is_number, read_json

REVISION_BYTES: Final = 8
SOONEST: Final = 1e-6
"""The earliest end, in seconds since the epoch."""
MOST_BYTES: Final = 16_384
"""Size of the longest record that is read: more than any that is written."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Describe an API key, without anything that is secret.

    Attributes:
        id: Its id, which stays when it is rotated.
        environment: ``live`` or ``test``.
        name: Its name, for people.
        owner: Whose key it is.
        scopes: Names of what it may be used for.
        plan: Name of its rate plan; empty for none.
        created: Time of its issue, in seconds since the epoch.
        expires: Its end, in seconds since the epoch; None for none.
    """

    id: str
    environment: Environment
    name: str
    owner: str
    scopes: tuple[str, ...]
    plan: str
    created: float
    expires: float | None

    @property
    def prefix(self) -> str:
        """Give the beginning of its text, which may be shown."""
        return prefix_of(self.environment, self.id)

    @property
    def client(self) -> str:
        """Give the key of the client that sends it."""
        return client_of(self.id)


@dataclass(frozen=True, slots=True)
class Record:
    """Hold all that is stored of an API key.

    Attributes:
        key: The key.
        hashes: Of its text, and of the text before its rotation; :data:`NOBODYS` for none.
        old_until: End of the time for which the text before is valid, in seconds since the epoch.
        revoked: Time of its revocation, in seconds since the epoch; None if it isn't revoked.
        rotated: Time of its latest rotation; None if there was none.
        revision: The revision that is stored; empty for a record that isn't stored yet.
        rest: Members of a later version.
    """

    key: ApiKey
    hashes: Hashes = field(repr=False)
    old_until: float = 0.0
    revoked: float | None = None
    rotated: float | None = None
    revision: bytes = b""
    rest: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def encoded(self) -> bytes:
        """Encode it for the store, under a new revision."""
        key, (new, old) = self.key, self.hashes
        members = {
            **self.rest,
            "id": key.id,
            "environment": key.environment,
            "name": key.name,
            "owner": key.owner,
            "scopes": key.scopes,
            "plan": key.plan,
            "created": key.created,
            "expires": key.expires,
            "hash": new.hex(),
            "old_hash": None if old is NOBODYS else old.hex(),
            "old_until": self.old_until,
            "revoked": self.revoked,
            "rotated": self.rotated,
        }
        return os.urandom(REVISION_BYTES) + json.dumps(members).encode()

    def until(self, *, old: bool) -> float:
        """Tell when a text of the key ends, in seconds since the epoch; 0 for never.

        Args:
            old: Whether it is the text before the latest rotation.
        """
        ends = [at for at in (self.key.expires, self.old_until if old else None) if at is not None]
        # An end at 0 is one, too.
        return max(min(ends), SOONEST) if ends else 0.0

    def rotated_to(self, new: bytes, *, at: float, grace_seconds: float) -> Record:
        """Give the record with a new hash; the one before is valid for some seconds more."""
        hashes = (new, self.hashes[0] if grace_seconds > 0 else NOBODYS)
        return replace(self, hashes=hashes, old_until=at + grace_seconds, rotated=at)


_KNOWN: Final = frozenset(
    ("id", "environment", "name", "owner", "scopes", "plan", "created", "expires", "hash")
) | {"old_hash", "old_until", "revoked", "rotated"}


def decode(key_id: str, data: bytes) -> Record:
    """Decode a stored record.

    Args:
        key_id: The id under which it is stored.
        data: Its bytes, which anybody who can write to the store may have written.

    Raises:
        ValueError: It is damaged, or another key's.
    """
    if not REVISION_BYTES < len(data) <= MOST_BYTES:
        raise ValueError(f"{len(data)} bytes are no record")
    members = read_json(data[REVISION_BYTES:])
    if not isinstance(members, dict) or not members.keys() >= _KNOWN:
        raise ValueError("the record is of another form")
    texts = [members[name] for name in ("name", "owner", "plan")]
    scopes, environment = members["scopes"], members["environment"]
    numbers = [members[name] for name in ("expires", "revoked", "rotated")]
    sound = (
        members["id"] == key_id
        and KEY_ID.fullmatch(key_id) is not None
        and environment in ENVIRONMENTS
        and all(isinstance(text, str) for text in texts)
        and isinstance(scopes, list)
        and all(isinstance(scope, str) for scope in scopes)
        and all(number is None or _is_time(number) for number in numbers)
        and _is_time(members["created"])
        and _is_time(members["old_until"])
    )
    if not sound:
        raise ValueError("the record has members of other types")
    old = members["old_hash"]
    return Record(
        ApiKey(
            key_id,
            cast(Environment, environment),
            members["name"],
            members["owner"],
            tuple(scopes),
            members["plan"],
            members["created"],
            members["expires"],
        ),
        (_hash(members["hash"]), NOBODYS if old is None else _hash(old)),
        members["old_until"],
        members["revoked"],
        members["rotated"],
        data[:REVISION_BYTES],
        {name: value for name, value in members.items() if name not in _KNOWN},
    )


def _is_time(value: object) -> bool:
    return is_number(value) and cast(float, value) >= 0


def _hash(text: object) -> bytes:
    data = bytes.fromhex(text) if isinstance(text, str) else b""
    if len(data) != HASH_BYTES:
        raise ValueError("a hash is of another length")
    return data
