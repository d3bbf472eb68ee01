"""Sketch the paths that a client asked for."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.profile import Records
from flask_irl.behaviour.sums import PATH_EPOCH, SKETCH_BITS, Floats

LEAST_UNSEEN: Final = 0.0625
"""A fuller sketch counts a path that it lacks as no more than sixteen."""

FULL: Final = 0.75
"""Share of a sketch's bits with which it is put aside for a new one."""


def mark_paths(
    records: Records, index: NDArray[np.intp], paths: NDArray[np.uint64], latest: Floats
) -> Floats:
    """Mark paths as seen; for each, the number of new paths that it stands for.

    A path that falls on a bit already set can't be told from one seen. With the share of bits
    unset known, each new one found stands for its reciprocal (linear counting, Whang 1990).
    """
    epoch = (latest // PATH_EPOCH).astype(np.int64) & 0xFFFF
    behind = (epoch - records["epoch"]) & 0xFFFF
    full = np.bitwise_count(records["seen"]).sum(axis=1) >= FULL * SKETCH_BITS
    aside = ((behind == 1) | full)[:, None]
    now = (behind == 0)[:, None]
    records["seen_before"] = np.where(
        aside, records["seen"], np.where(now, records["seen_before"], 0)
    )
    records["seen"] = np.where(aside | ~now, 0, records["seen"])
    records["epoch"] = epoch
    known = records["seen"] | records["seen_before"]
    unseen = 1.0 - np.bitwise_count(known).sum(axis=1) / SKETCH_BITS
    place = (_mixed(paths) % np.uint64(SKETCH_BITS)).astype(np.intp)
    word, bit = place // 64, np.uint64(1) << (place % 64).astype(np.uint64)
    _, first = np.unique(index * SKETCH_BITS + place, return_index=True)
    is_first = np.zeros(len(index), dtype=bool)
    is_first[first] = True
    lacking = is_first & ((known[index, word] & bit) == 0)
    seen = records["seen"].copy()
    np.bitwise_or.at(seen, (index, word), bit)
    records["seen"] = seen
    return np.where(lacking, 1.0 / np.maximum(unseen[index], LEAST_UNSEEN), 0.0)


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes spread out (the finalizer of MurmurHash3, Appleby 2011).

    Checksums of numbered paths differ in a pattern, which would fill a sketch too evenly.
    """
    shift = np.uint64(33)
    mixed = (hashes ^ (hashes >> shift)) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> shift)) * np.uint64(0xC4CEB9FE1A85EC53)
    return mixed ^ (mixed >> shift)
