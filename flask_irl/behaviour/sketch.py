"""Sketch the paths of a client's requests, to count new ones in bounded memory."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.profile import Records
from flask_irl.behaviour.sums import PATH_EPOCH, SKETCH_BITS, Floats

MIN_UNSET: Final = 0.0625
"""Share of unset bits below which a new path counts for no more than sixteen."""

MAX_SET: Final = 0.75
"""Share of set bits at which a sketch is put aside for a new one."""


def mark_paths(
    records: Records, owner: NDArray[np.intp], paths: NDArray[np.uint64], latest: Floats
) -> Floats:
    """Mark paths as seen, in place; writes ``seen``, ``seen_before``, ``epoch``.

    A path that falls on a set bit can't be told from one seen before. By the share of unset bits,
    each new path on an unset bit stands for its reciprocal (linear counting, Whang 1990).

    Args:
        records: The clients' profiles.
        owner: For each path, the index of its client's profile.
        paths: Hashes of paths.
        latest: Time of each client's latest request, in seconds since the epoch.

    Returns:
        For each path, the estimated number of new paths that it stands for; 0 if it isn't new.
    """
    epoch = (latest // PATH_EPOCH).astype(np.int64) & 0xFFFF
    behind = (epoch - records["epoch"]) & 0xFFFF
    is_full = np.bitwise_count(records["seen"]).sum(axis=1) >= MAX_SET * SKETCH_BITS
    aside = ((behind == 1) | is_full)[:, None]
    current = (behind == 0)[:, None]
    records["seen_before"] = np.where(
        aside, records["seen"], np.where(current, records["seen_before"], 0)
    )
    records["seen"] = np.where(aside | ~current, 0, records["seen"])
    records["epoch"] = epoch
    both = records["seen"] | records["seen_before"]
    unset = 1.0 - np.bitwise_count(both).sum(axis=1) / SKETCH_BITS
    place = (_mix(paths) % np.uint64(SKETCH_BITS)).astype(np.intp)
    word, bit = place // 64, np.uint64(1) << (place % 64).astype(np.uint64)
    _, first = np.unique(owner * SKETCH_BITS + place, return_index=True)
    is_first = np.zeros(len(owner), dtype=bool)
    is_first[first] = True
    is_new = is_first & ((both[owner, word] & bit) == 0)
    sketch = records["seen"].copy()
    np.bitwise_or.at(sketch, (owner, word), bit)
    records["seen"] = sketch
    return np.where(is_new, 1.0 / np.maximum(unset[owner], MIN_UNSET), 0.0)


def _mix(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread hashes out (the finalizer of MurmurHash3, Appleby 2011).

    Checksums of numbered paths differ in a pattern, which would fill a sketch too evenly.
    """
    shift = np.uint64(33)
    mixed = (hashes ^ (hashes >> shift)) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> shift)) * np.uint64(0xC4CEB9FE1A85EC53)
    return mixed ^ (mixed >> shift)
