"""Hash API keys with the secrets of the configuration, and compare the hashes."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

HASH_BYTES: Final = 32
NOBODYS: Final = os.urandom(HASH_BYTES)
"""Stands for a hash that there isn't, so that each key takes the same comparisons."""
_PERSON: Final = b"flask_irl.key"

Hashes = tuple[bytes, bytes]
"""The hash of a key's text, and that of the text before it."""


class Hasher:
    """Hash API keys; whoever reads the store can't try keys without the secrets.

    Args:
        secrets: Secrets of the configuration, at least one: the first makes new hashes, and all
            are tried on a key.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._peppers = tuple(
            hashlib.blake2b(secret.encode(errors="surrogateescape"), person=_PERSON).digest()
            for secret in secrets
        )

    def hash(self, text: str) -> bytes:
        """Hash a new key's text."""
        return _hash(text, self._peppers[0])

    def digests(self, text: str) -> tuple[bytes, ...]:
        """Hash the text of a key with each of the secrets."""
        return tuple([_hash(text, pepper) for pepper in self._peppers])


def matches(digests: Sequence[bytes], hashes: Hashes) -> tuple[bool, bool]:
    """Compare the digests of a key's text with both of a record's hashes, in constant time.

    Returns:
        Whether it is the key's text, and whether it is the text before.
    """
    found = [False, False]
    for place, stored in enumerate(hashes):
        for digest in digests:
            # None is left out, whatever the others came to.
            found[place] |= hmac.compare_digest(digest, stored)
    return found[0], found[1]


def _hash(text: str, pepper: bytes) -> bytes:
    return hashlib.blake2b(
        text.encode(), digest_size=HASH_BYTES, key=pepper, person=_PERSON
    ).digest()
