"""A client's behaviour as a small record: fading sums and a sketch of the paths asked for.

Many clients are folded at once, in numpy, off the request's path. A record is about 170 bytes,
whatever the client does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

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
from flask_irl.records import Fields
from flask_irl.rows import route_hash

N_SUMS: Final = len(SUMS)
N_CELLS: Final = N_SUMS + GAP_BINS + ROUTE_BINS
HORIZONS: Final = np.array([s.horizon for s in SUMS] + [LONG] * (GAP_BINS + ROUTE_BINS))
TAG: Final = int(SCHEMA, 16) & 0xFFFF
MOST: Final = 60_000.0
"""Sums end here: half precision does at 65,504."""
LEAST_UNSEEN: Final = 0.0625
"""A fuller sketch counts a path that it lacks as no more than sixteen."""
DEFAULT_RARITY: Final = 4.0
MOST_RARITY: Final = 10.0

SKETCH_WORDS: Final = SKETCH_BITS // 64
FULL: Final = 0.75
"""Share of a sketch's bits with which it is put aside for a new one."""

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
        ("minutes", "<u2"),
        ("worst", "<f2"),
        ("offences", "<f2"),
        ("updated", "<f8"),
        ("seen", "<u8", (SKETCH_WORDS,)),
        ("seen_before", "<u8", (SKETCH_WORDS,)),
        ("sums", "<f2", (N_CELLS,)),
    ]
)
"""``total`` requests since ``first`` (s); the step changed at ``stepped`` (s); the last training
row was taken at ``row_at`` (s), when ``total`` was ``row_total``; ``minutes`` it was active at the
full limit; ``worst`` is the lowest score that it had so; ``offences`` fade since ``stepped``;
``seen`` is this epoch's sketch of paths, ``seen_before`` the last one's; ``feedback`` is an
operator's: 1 good, 2 abuse."""

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
    return route_hash(route) % ROUTE_BINS


_LOGIN: Final = re.compile(
    r"(?i)(?<![a-z])(log[-_]?[io]n|sign[-_]?in|auth(enticate|enticat?ion)?|sessions?|tokens?)\b[^/]*$"
)


@lru_cache(maxsize=2048)
def is_login(route: str) -> bool:
    """Whether a route looks like one that people log in by: what its last part is called."""
    return _LOGIN.search(route) is not None


def rarity_of(shares: Mapping[str, float], route: str) -> float:
    """How rare a route is on this site: -log of its learned share, 0 to 10."""
    if not shares:
        return DEFAULT_RARITY
    share = shares.get(route, 0.0)
    return MOST_RARITY if share <= 0 else min(MOST_RARITY, max(0.0, -float(np.log(share))))


class Events(NamedTuple):
    """Requests as columns, one entry each, in any order.

    Attributes:
        owner: Index of the client's profile.
        at: Seconds since the epoch.
        gap: Seconds since the client's previous request; -1 unknown.
        rarity: How rare the route is on this site, -log of its share.
        bin: The route's bin, see :func:`route_bin`.
        path: A hash of the path.
        answer: What kind of answer it got, see :mod:`flask_irl.features`.
        size: Response bytes; -1 unknown.
        write: Whether the method changes things.
        probe: Whether the method is HEAD, OPTIONS or unheard of.
        refused: Whether the limiter refused it.
        times: How many such requests it stands for.
        login: Whether the route looks like one that people log in by.
    """

    owner: NDArray[np.intp]
    at: Floats
    gap: Floats
    rarity: Floats
    bin: NDArray[np.intp]
    path: NDArray[np.uint64]
    answer: Floats
    size: Floats
    write: Floats
    probe: Floats
    refused: Floats
    times: Floats
    login: Floats


def events_of(
    owners: Sequence[int], observations: Sequence[Fields], rarities: Mapping[str, float]
) -> Events:
    """Observations as columns.

    Args:
        owners: For each observation, the index of its client's profile.
        observations: In any order, at least one.
        rarities: Learned share of each route.
    """
    _, ats, gaps, routes, paths, methods, statuses, sizes, refused, times, _ = zip(
        *observations, strict=True
    )
    rarity = {route: rarity_of(rarities, route) for route in set(routes)}
    bins = {route: route_bin(route) for route in rarity}
    logins = {route: is_login(route) for route in rarity}
    answers = {status: answer_of(status) for status in set(statuses)}
    write, probe = ({m: m not in usual for m in set(methods)} for usual in (READING, USUAL))
    turned_away = np.array(refused, dtype=np.float64)
    return Events(
        np.asarray(owners, dtype=np.intp),
        np.array(ats, dtype=np.float64),
        np.array(gaps, dtype=np.float64),
        np.array([rarity[r] for r in routes], dtype=np.float64),
        np.array([bins[r] for r in routes], dtype=np.intp),
        np.array(paths, dtype=np.uint64),
        np.array([answers[status] for status in statuses], dtype=np.float64),
        np.where(turned_away, -1.0, np.array(sizes, dtype=np.float64)),
        np.array([write[m] for m in methods], dtype=np.float64),
        np.array([probe[m] for m in methods], dtype=np.float64),
        turned_away,
        np.array(times, dtype=np.float64),
        np.array([logins[r] for r in routes], dtype=np.float64),
    )


def fold(records: Records, events: Events) -> None:
    """Add requests to the profiles, in place.

    Args:
        records: The clients' profiles; each must have at least one request.
        events: The requests.
    """
    order = np.lexsort((events.at, events.owner))
    if (order[1:] < order[:-1]).any():
        columns: tuple[Any, ...] = events
        events = Events(*(column[order] for column in columns))
    index, at, gap = events.owner, events.at, events.gap
    last = np.ones(len(index), dtype=bool)
    np.not_equal(index[1:], index[:-1], out=last[:-1])
    ends = last.nonzero()[0]
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1

    latest = np.maximum(at[ends], records["updated"])
    batch = Batch(
        gap=gap,
        answer=events.answer,
        size=events.size,
        write=events.write,
        probe=events.probe,
        refused=events.refused,
        rarity=events.rarity,
        new_path=_sketch(records, index, events.path, latest),
        login=events.login,
    )
    added = np.zeros((len(index), N_CELLS))
    for column, item in enumerate(SUMS):
        added[:, column] = item.of(batch)
    every = np.arange(len(index))
    known = gap >= 0
    added[every[known], N_SUMS + np.searchsorted(GAP_EDGES, gap[known], side="right")] = 1.0
    added[every, N_SUMS + GAP_BINS + events.bin] = 1.0
    age = latest[index] - at
    added *= events.times[:, None] * _faded(age)

    fresh = records["updated"] == 0
    idle = np.where(fresh, 0.0, latest - records["updated"])
    kept = records["sums"].astype(np.float64) * _faded(idle)
    kept += np.add.reduceat(added, starts, axis=0)
    records["sums"] = np.minimum(kept, MOST)
    total = records["total"] + np.add.reduceat(events.times, starts)
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
