"""Give the slot of a cluster in which a key is."""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

SLOTS: Final = 16384


def key_slot(key: bytes) -> int:
    """Give the slot of a key: by its hash tag, the text between the first braces, if it has one."""
    start = key.find(b"{") + 1
    if start > 0:
        end = key.find(b"}", start)
        if end > start:
            key = key[start:end]
    return crc_hqx(key, 0) % SLOTS
