"""Pack rows of half-words, most of which are zero: a mask of the others, and those.

Many rows are packed at once, in numpy. Nothing is lost, whatever the half-words hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint16]


def pack(rows: Words) -> list[bytes]:
    """Pack rows of half-words, each into bytes of its own."""
    held = rows != 0
    masks = np.zeros((len(rows), mask_bytes(rows.shape[1])), np.uint8)
    bits = np.packbits(held, axis=1)
    masks[:, : bits.shape[1]] = bits
    whole = np.concatenate([masks.view("<u2"), rows], axis=1)
    kept = np.ones(whole.shape, np.bool_)
    kept[:, -rows.shape[1] :] = held
    data = whole[kept].tobytes()
    ends = np.cumsum(2 * np.count_nonzero(kept, axis=1)).tolist()
    return [data[begin:end] for begin, end in pairwise([0, *ends])]


def unpack(blobs: Sequence[bytes], width: int) -> Words:
    """Unpack rows into one array; one that isn't as long as its mask says is all zero.

    Args:
        blobs: The rows, as :func:`pack` makes them.
        width: Half-words of a row.
    """
    size = mask_bytes(width)
    blank = bytes(size)
    blobs = [blob if len(blob) >= size and len(blob) % 2 == 0 else blank for blob in blobs]
    words = np.frombuffer(b"".join(blobs), "<u2")
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs)) // 2
    begins = np.cumsum(lengths) - lengths
    of_mask = begins[:, None] + np.arange(size // 2)
    masks = words[of_mask].view(np.uint8)
    held = np.unpackbits(masks, axis=1, count=width).view(np.bool_)
    sound = np.count_nonzero(held, axis=1) == lengths - size // 2
    held[~sound] = False
    is_held = np.repeat(sound, lengths)
    is_held[of_mask] = False
    rows = np.zeros((len(blobs), width), np.uint16)
    rows[held] = words[is_held]
    return rows


def mask_bytes(width: int) -> int:
    """Give the bytes of the mask of a row of half-words: a bit each, rounded up to half-words."""
    return (width + 15) // 16 * 2
