"""Fold requests into profiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from flask_irl.behaviour.events import Events
from flask_irl.behaviour.profile import MOST, N_CELLS, N_SUMS, Records, faded
from flask_irl.behaviour.sketch import mark_paths
from flask_irl.behaviour.sums import GAP_BINS, GAP_EDGES, SUMS, Batch


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
        new_path=mark_paths(records, index, events.path, latest),
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
    added *= events.times[:, None] * faded(age)

    fresh = records["updated"] == 0
    idle = np.where(fresh, 0.0, latest - records["updated"])
    kept = records["sums"].astype(np.float64) * faded(idle)
    kept += np.add.reduceat(added, starts, axis=0)
    records["sums"] = np.minimum(kept, MOST)
    total = records["total"] + np.add.reduceat(events.times, starts)
    records["total"] = np.minimum(total, 2.0**32 - 1)
    records["first"] = np.where(records["first"] == 0, at[starts], records["first"])
    records["updated"] = latest
