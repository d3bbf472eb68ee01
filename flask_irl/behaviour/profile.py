"""A client's behaviour as a small record: fading sums and a sketch of the paths asked for.

Many clients are folded at once, in numpy, off the request's path. A record is about 170 bytes,
whatever the client does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import SCHEMA
from flask_irl.behaviour.sums import GAP_BINS, LONG, ROUTE_BINS, SKETCH_BITS, SUMS, Floats, View

N_SUMS: Final = len(SUMS)
N_CELLS: Final = N_SUMS + GAP_BINS + ROUTE_BINS
HORIZONS: Final = np.array([s.horizon for s in SUMS] + [LONG] * (GAP_BINS + ROUTE_BINS))
TAG: Final = int(SCHEMA, 16) & 0xFFFF

MOST: Final = 60_000.0
"""Sums end here: half precision does at 65,504."""
SKETCH_WORDS: Final = SKETCH_BITS // 64

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


def faded(seconds: Floats) -> Floats:
    """What is left of each sum after a time."""
    by_horizon = np.exp(-seconds[:, None] / _DISTINCT_HORIZONS)
    faded: Floats = by_horizon[:, _WHICH_HORIZON]
    return faded


_DISTINCT_HORIZONS, _WHICH_HORIZON = np.unique(HORIZONS, return_inverse=True)


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
