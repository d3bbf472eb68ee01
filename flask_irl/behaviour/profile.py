"""Hold a client's behaviour as a small record: fading sums, and a sketch of its paths.

Many clients are folded at once, in numpy, off the request's path. A record takes 176 bytes, however
many requests the client sends, and less where it is stored: fields that are zero take a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import SCHEMA
from flask_irl.behaviour.packing import mask_bytes, pack, unpack
from flask_irl.behaviour.sums import GAP_BINS, LONG, ROUTE_BINS, SKETCH_BITS, SUMS, Floats, View

N_SUMS: Final = len(SUMS)
N_CELLS: Final = N_SUMS + GAP_BINS + ROUTE_BINS
HORIZONS: Final = np.array([s.horizon for s in SUMS] + [LONG] * (GAP_BINS + ROUTE_BINS))
TAG: Final = int(SCHEMA, 16) & 0xFFFF

MAX_SUM: Final = 60_000.0
"""Sums saturate here; half precision ends at 65,504."""
SKETCH_WORDS: Final = SKETCH_BITS // 64

RECORD: Final = np.dtype(
    [
        ("schema", "<u2"),
        ("epoch", "<u2"),
        ("feedback", "<u2"),
        ("total", "<u4"),
        ("first", "<u4"),
        ("stepped", "<u4"),
        ("row_at", "<u4"),
        ("row_total", "<u4"),
        ("minutes", "<u2"),
        ("worst", "<f2"),
        ("offences", "<f2"),
        ("level", "<f2"),
        ("updated", "<f8"),
        ("seen", "<u8", (SKETCH_WORDS,)),
        ("seen_before", "<u8", (SKETCH_WORDS,)),
        ("sums", "<f2", (N_CELLS,)),
    ]
)
"""Describe a profile as it is stored; each field is written by one function alone.

- ``schema``: a tag of ``SCHEMA``; :func:`decode`.
- ``sums`` as of ``updated`` (seconds since the epoch), ``total`` requests since ``first`` (s);
  :func:`flask_irl.behaviour.folding.fold`.
- ``seen``: the sketch of paths of the ``epoch``, ``seen_before``: that of the one before;
  :func:`flask_irl.behaviour.sketch.mark_paths`.
- ``minutes`` with requests at the full limit; :func:`flask_irl.verdicts.merge.merge`.
- ``worst``: the lowest score at the full limit, -1 to 0; ``offences``: times flagged, as of
  ``stepped`` (s), when the step last changed; :func:`flask_irl.verdicts.steps.take_steps`.
- ``level`` of harm that it is known for; :func:`flask_irl.verdicts.steps.take_steps`.
- ``row_at`` (s): time of the last training row, ``row_total``: ``total`` at that time;
  :func:`flask_irl.verdicts.training_rows.take_rows`.
- ``feedback`` of an operator: 0 none, 1 good, 2 abuse;
  :meth:`flask_irl.verdicts.profiler.Profiler.label`.
"""
Records = NDArray[Any]

_MAX_SUM_BITS: Final = int(np.float16(MAX_SUM).view(np.uint16))
"""Half-precision numbers from 0 to ``MAX_SUM``, and no others, have bits up to these."""
_WORDS: Final = RECORD.itemsize // 2
_MASK_BYTES: Final = mask_bytes(_WORDS)
_OWN: Final = TAG.to_bytes(2, "little")
"""The first of a record's half-words, which stands behind its mask."""
_COLUMN: Final = {item.name: index for index, item in enumerate(SUMS)}
_DISTINCT_HORIZONS, _HORIZON_OF_CELL = np.unique(HORIZONS, return_inverse=True)


def decode(blobs: Sequence[bytes]) -> Records:
    """Unpack profiles into one array; one that is missing, foreign or damaged begins anew."""
    records = unpack(blobs, _WORDS).reshape(-1).view(RECORD)
    begin_anew(records, ~_are_valid(records))
    return records


def damaged(blobs: Sequence[bytes], records: Records) -> list[int]:
    """List the places of profiles of this schema that began anew, for they can't be read.

    Args:
        blobs: The profiles as they were stored.
        records: The same, unpacked just now.
    """
    return [
        place
        for place in np.flatnonzero(records["updated"] == 0).tolist()
        if blobs[place].startswith(_OWN, _MASK_BYTES)
        and [blobs[place]] != encode(records[place : place + 1])
    ]


def encode(records: Records) -> list[bytes]:
    """Pack profiles, each into bytes of its own."""
    return pack(records.view("<u2").reshape(-1, _WORDS))


def begin_anew(records: Records, which: NDArray[np.bool_]) -> None:
    """Replace profiles by empty ones, in place."""
    if which.any():
        records[which] = np.zeros(1, dtype=RECORD)
        records["schema"] = TAG


def fade_idle(records: Records, latest: Floats, horizons: Floats) -> None:
    """Fade the sums of clients over their idle time, in place, before requests are folded in.

    Args:
        records: The clients' profiles.
        latest: Time of each client's latest request, in seconds since the epoch.
        horizons: Seconds over which each client's sums fade, beside the sums' own horizons;
            infinite for no faster.
    """
    idle = np.where(records["updated"] == 0, 0.0, np.maximum(latest - records["updated"], 0.0))
    records["sums"] = records["sums"] * np.exp(-idle / horizons)[:, None]


def faded(records: Records, now: float) -> Records:
    """Copy profiles as they are at a time, in seconds since the epoch, without further requests."""
    copies: Records = records.copy()
    idle = np.where(records["updated"] == 0, 0.0, np.maximum(now - records["updated"], 0.0))
    copies["sums"] = records["sums"] * decay(idle)
    copies["updated"] = records["updated"] + idle
    return copies


def decay(seconds: Floats) -> Floats:
    """Compute the share of each sum that is left after a time; one row for each time."""
    by_horizon = np.exp(-seconds[:, None] / _DISTINCT_HORIZONS)
    shares: Floats = by_horizon[:, _HORIZON_OF_CELL]
    return shares


def view(records: Records, hour_rarity: float, weekday_rarity: float) -> View:
    """View profiles as features read them.

    Args:
        records: The profiles.
        hour_rarity: Rarity of the present hour on the site, in nats.
        weekday_rarity: Rarity of the present weekday on the site, in nats.
    """
    cells = records["sums"].astype(np.float64)
    ones = np.ones(len(records))
    return View(
        cells[:, :N_SUMS],
        cells[:, N_SUMS : N_SUMS + GAP_BINS],
        cells[:, N_SUMS + GAP_BINS :],
        different_paths(records),
        ones * hour_rarity,
        ones * weekday_rarity,
    )


def different_paths(records: Records) -> Floats:
    """Estimate the number of different paths in each profile's sketches.

    By the share of unset bits (linear counting, Whang 1990); some six hundred at most.
    """
    both = records["seen"] | records["seen_before"]
    unset = 1.0 - np.bitwise_count(both).sum(axis=1) / SKETCH_BITS
    paths: Floats = -SKETCH_BITS * np.log(np.maximum(unset, 1.0 / SKETCH_BITS))
    return paths


def sums_of(records: Records, name: str, now: float | None = None) -> Floats:
    """Read the profiles' sums of a name.

    Args:
        records: The profiles.
        name: One of ``SUMS``.
        now: Time as of which they are read, in seconds since the epoch; by default that of each
            client's latest request.
    """
    column = _COLUMN[name]
    sums = np.asarray(records["sums"][:, column], dtype=np.float64)
    if now is None:
        return sums
    idle = np.maximum(now - records["updated"], 0.0)
    return np.asarray(sums * np.exp(-idle / HORIZONS[column]), dtype=np.float64)


def _are_valid(records: Records) -> NDArray[np.bool_]:
    """Check that each profile is of this schema and could have been made by this code."""
    updated, worst, offences = records["updated"], records["worst"], records["offences"]
    level = records["level"]
    valid: NDArray[np.bool_] = (
        (records["schema"] == TAG)
        & (records["sums"].view("<u2").max(axis=1) <= _MAX_SUM_BITS)
        & (worst >= -1.0)
        & (worst <= 0.0)
        & (offences >= 0.0)
        & (offences <= MAX_SUM)
        & (level >= 0.0)
        & (level <= MAX_SUM)
        & (updated >= 0.0)
        & (updated < 2.0**32)
        & (records["first"] <= updated)
        & (records["stepped"] <= updated)
        & (records["row_at"] <= updated)
        & (records["row_total"] <= records["total"])
    )
    return valid
