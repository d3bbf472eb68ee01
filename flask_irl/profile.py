"""A client's behaviour as a small record: fading sums and a sketch of the paths asked for.

Many clients are folded at once, in numpy, off the request's path. A record is about 130 bytes,
whatever the client does.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.features import (
    GAP_BINS,
    GAP_EDGES,
    LONG,
    PATH_EPOCH,
    ROUTE_BINS,
    SCHEMA,
    SKETCH_BITS,
    SUMS,
    Batch,
    Floats,
    View,
    answer_of,
)
from flask_irl.records import Observation

N_SUMS: Final = len(SUMS)
N_CELLS: Final = N_SUMS + GAP_BINS + ROUTE_BINS
HORIZONS: Final = np.array([s.horizon for s in SUMS] + [LONG] * (GAP_BINS + ROUTE_BINS))
TAG: Final = int(SCHEMA, 16) & 0xFFFF
MOST: Final = 60_000.0
"""Sums end here: half precision does at 65,504."""
LEAST_UNSEEN: Final = 0.125
"""A fuller sketch counts a path that it lacks as no more than eight."""
DEFAULT_RARITY: Final = 4.0
MOST_RARITY: Final = 10.0

RECORD: Final = np.dtype(
    [
        ("schema", "<u2"),
        ("epoch", "<u2"),
        ("feedback", "u1"),
        ("total", "<u4"),
        ("first", "<u4"),
        ("stepped", "<u4"),
        ("row_at", "<u4"),
        ("row_total", "<u4"),
        ("updated", "<f8"),
        ("seen", "<u8"),
        ("seen_before", "<u8"),
        ("sums", "<f2", (N_CELLS,)),
    ]
)
"""``total`` requests since ``first`` (s); the step changed at ``stepped`` (s); the last training
row was taken at ``row_at`` (s), when ``total`` was ``row_total``; ``seen`` is this epoch's sketch
of paths, ``seen_before`` the last one's; ``feedback`` is an operator's: 1 good, 2 abuse."""

Records = NDArray[Any]


def decode(blobs: Sequence[bytes]) -> Records:
    """Packed profiles as one array; what is missing or of another schema begins anew."""
    blank = bytes(RECORD.itemsize)
    joined = b"".join(b if len(b) == RECORD.itemsize else blank for b in blobs)
    records = np.frombuffer(joined, dtype=RECORD).copy()
    foreign = records["schema"] != TAG
    if foreign.any():
        records[foreign] = np.zeros(1, dtype=RECORD)
        records["schema"] = TAG
    return records


def encode(records: Records) -> list[bytes]:
    """The profiles packed, one each."""
    data = records.tobytes()
    size = RECORD.itemsize
    return [data[i : i + size] for i in range(0, len(data), size)]


@lru_cache(maxsize=2048)
def route_bin(route: str) -> int:
    """A route's bin, the same in every process."""
    return zlib.crc32(route.encode(errors="surrogatepass")) % ROUTE_BINS


def rarity_of(shares: Mapping[str, float], route: str) -> float:
    """How rare a route is on this site: -log of its learned share, 0 to 10."""
    if not shares:
        return DEFAULT_RARITY
    share = shares.get(route, 0.0)
    return MOST_RARITY if share <= 0 else min(MOST_RARITY, max(0.0, -float(np.log(share))))


def fold(
    records: Records,
    owners: Sequence[int],
    observations: Sequence[Observation],
    rarities: Mapping[str, float],
) -> None:
    """Add observations to the profiles, in place.

    Args:
        records: The clients' profiles; each must have at least one observation.
        owners: For each observation, the index of its client's profile.
        observations: In any order.
        rarities: Learned share of each route.
    """
    index = np.asarray(owners, dtype=np.intp)
    _, ats, gaps, routes, paths, methods, statuses, sizes, refused, counts, _ = zip(
        *observations, strict=True
    )
    at = np.array(ats, dtype=np.float64)
    order = np.lexsort((at, index))
    index, at = index[order], at[order]
    last = np.ones(len(index), dtype=bool)
    np.not_equal(index[1:], index[:-1], out=last[:-1])
    ends = last.nonzero()[0]
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1

    latest = np.maximum(at[ends], records["updated"])
    new_path = _sketch(records, index, np.array(paths, dtype=np.uint64)[order], latest)
    rarity = {route: rarity_of(rarities, route) for route in set(routes)}
    gap = np.array(gaps, dtype=np.float64)[order]
    batch = Batch(
        gap=gap,
        answer=np.array([answer_of(status) for status in statuses], dtype=np.float64)[order],
        size=np.array(sizes, dtype=np.float64)[order],
        write=np.array([m not in READING for m in methods], dtype=np.float64)[order],
        probe=np.array([m not in USUAL for m in methods], dtype=np.float64)[order],
        refused=np.array(refused, dtype=np.float64)[order],
        rarity=np.array([rarity[r] for r in routes], dtype=np.float64)[order],
        new_path=new_path,
    )
    added = np.zeros((len(index), N_CELLS))
    for column, item in enumerate(SUMS):
        added[:, column] = item.of(batch)
    every = np.arange(len(index))
    known = gap >= 0
    added[every[known], N_SUMS + np.searchsorted(GAP_EDGES, gap[known], side="right")] = 1.0
    bins = np.array([route_bin(r) for r in routes], dtype=np.intp)[order]
    added[every, N_SUMS + GAP_BINS + bins] = 1.0
    weight = np.array(counts, dtype=np.float64)[order]
    age = latest[index] - at
    added *= weight[:, None] * _faded(age)

    fresh = records["updated"] == 0
    idle = np.where(fresh, 0.0, latest - records["updated"])
    kept = records["sums"].astype(np.float64) * _faded(idle)
    kept += np.add.reduceat(added, starts, axis=0)
    records["sums"] = np.minimum(kept, MOST)
    total = records["total"] + np.add.reduceat(weight, starts)
    records["total"] = np.minimum(total, 2.0**32 - 1)
    records["first"] = np.where(records["first"] == 0, at[starts], records["first"])
    records["updated"] = latest


def forget(records: Records, latest: Floats, horizons: Floats) -> None:
    """Let the clients' pasts fade faster, in place, before what is new is added.

    Args:
        records: Their profiles.
        latest: When each was last seen, in seconds.
        horizons: Seconds over which each one's past fades, beside its sums' own horizons;
            infinite for no faster.
    """
    idle = np.where(records["updated"] == 0, 0.0, np.maximum(latest - records["updated"], 0.0))
    records["sums"] = records["sums"] * np.exp(-idle / horizons)[:, None]


def _faded(seconds: Floats) -> Floats:
    """What is left of each sum after a time."""
    by_horizon = np.exp(-seconds[:, None] / _DISTINCT_HORIZONS)
    faded: Floats = by_horizon[:, _WHICH_HORIZON]
    return faded


_DISTINCT_HORIZONS, _WHICH_HORIZON = np.unique(HORIZONS, return_inverse=True)
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
USUAL: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def _sketch(
    records: Records, index: NDArray[np.intp], paths: NDArray[np.uint64], latest: Floats
) -> Floats:
    """Mark paths as seen; for each, the number of new paths that it stands for.

    A path that falls on a bit already set can't be told from one seen. With the share of bits
    unset known, each new one found stands for its reciprocal (linear counting, Whang 1990).
    """
    epoch = (latest // PATH_EPOCH).astype(np.int64) & 0xFFFF
    behind = (epoch - records["epoch"]) & 0xFFFF
    records["seen_before"] = np.where(
        behind == 0, records["seen_before"], np.where(behind == 1, records["seen"], 0)
    )
    records["seen"] = np.where(behind == 0, records["seen"], 0)
    records["epoch"] = epoch
    known = records["seen"] | records["seen_before"]
    unseen = 1.0 - np.bitwise_count(known) / SKETCH_BITS
    bit = np.uint64(1) << (paths % np.uint64(SKETCH_BITS))
    _, first = np.unique(
        index * SKETCH_BITS + (paths % SKETCH_BITS).astype(np.intp), return_index=True
    )
    is_first = np.zeros(len(index), dtype=bool)
    is_first[first] = True
    lacking = is_first & ((known[index] & bit) == 0)
    seen = records["seen"].copy()
    np.bitwise_or.at(seen, index, bit)
    records["seen"] = seen
    return np.where(lacking, 1.0 / np.maximum(unseen[index], LEAST_UNSEEN), 0.0)


def view(records: Records, hour_rarity: float, weekday_rarity: float) -> View:
    """The profiles as the features read them."""
    cells = records["sums"].astype(np.float64)
    same = np.ones(len(records))
    return View(
        cells[:, :N_SUMS],
        cells[:, N_SUMS : N_SUMS + GAP_BINS],
        cells[:, N_SUMS + GAP_BINS :],
        same * hour_rarity,
        same * weekday_rarity,
    )


def sums_of(records: Records, name: str) -> Floats:
    """The profiles' sums of a name, as they were when they were last added to."""
    column = [s.name for s in SUMS].index(name)
    return np.asarray(records["sums"][:, column], dtype=np.float64)
