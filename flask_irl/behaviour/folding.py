"""Fold requests into profiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flask_irl.behaviour.events import Events, sends
from flask_irl.behaviour.profile import MAX_SUM, N_CELLS, N_SUMS, Records, decay
from flask_irl.behaviour.sketch import mark_paths
from flask_irl.behaviour.sums import GAP_BINS, GAP_EDGES, SUMS, Batch


def fold(records: Records, events: Events, rest: Callable[[], object] = lambda: None) -> None:
    """Add requests to profiles, in place; writes ``sums``, ``total``, ``first``, ``updated``.

    Args:
        records: The clients' profiles; each client must have at least one request.
        events: The requests.
        rest: Is called between two steps.
    """
    order = np.lexsort((events.at, events.owner))
    if (order[1:] < order[:-1]).any():
        columns: tuple[Any, ...] = events
        events = Events(*(column[order] for column in columns))
    owner, at, gap = events.owner, events.at, events.gap
    is_last = np.ones(len(owner), dtype=bool)
    np.not_equal(owner[1:], owner[:-1], out=is_last[:-1])
    ends = is_last.nonzero()[0]
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + 1

    latest = np.maximum(at[ends], records["updated"])
    # A path that is only sent to takes nothing away, however many there are.
    taking = ~sends(events)
    new_path = np.zeros(len(owner))
    new_path[taking] = mark_paths(records, owner[taking], events.path[taking], latest)
    batch = Batch(
        gap=gap,
        answer=events.answer,
        size=events.size,
        write=events.write,
        probe=events.probe,
        refused=events.refused,
        rarity=events.rarity,
        new_path=new_path,
        login=events.login,
    )
    rest()
    added = np.zeros((len(owner), N_CELLS))
    for column, item in enumerate(SUMS):
        added[:, column] = item.of(batch)
    every = np.arange(len(owner))
    has_gap = gap >= 0
    added[every[has_gap], N_SUMS + np.searchsorted(GAP_EDGES, gap[has_gap], side="right")] = 1.0
    added[every, N_SUMS + GAP_BINS + events.bin] = 1.0
    rest()
    age = latest[owner] - at
    added *= events.times[:, None] * decay(age)

    is_new = records["updated"] == 0
    idle = np.where(is_new, 0.0, latest - records["updated"])
    sums = records["sums"].astype(np.float64) * decay(idle)
    sums += np.add.reduceat(added, starts, axis=0)
    records["sums"] = np.minimum(sums, MAX_SUM)
    total = records["total"] + np.add.reduceat(events.times, starts)
    records["total"] = np.minimum(total, 2.0**32 - 1)
    records["first"] = np.where(records["first"] == 0, at[starts], records["first"])
    records["updated"] = latest
