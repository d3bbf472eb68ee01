"""Save the profiles and verdicts of judged clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.sums import Floats
from flask_irl.stores.base import SaveResult, Store
from flask_irl.stores.state import Update
from flask_irl.verdicts.merge import Profiles

AT_ONCE: Final = 100
"""Clients saved between two rests: they are a millisecond of the server's."""
MAX_TTL: Final = 7 * 86_400
TTL_PER_MINUTE: Final = 3600.0
"""Seconds for which a profile is kept longer, for each minute of activity."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Tell the outcome of saving clients.

    Attributes:
        saved: Whether each was saved; if not, it is stale or unknown to the store by now.
        stale: Keys of those that somebody else saved meanwhile.
    """

    saved: Mask
    stale: list[str]


def keep_seconds(records: profile.Records) -> Floats:
    """Give the seconds for which each client's profile is kept after its latest request."""
    return np.minimum(TTL_PER_MINUTE * (1.0 + records["minutes"]), float(MAX_TTL))


def save(
    store: Store,
    profiles: Profiles,
    scores: Floats,
    steps: NDArray[np.int64],
    *,
    ttl_seconds: int,
    rest: Callable[[], object] = lambda: None,
) -> Saved:
    """Save each client unless somebody else saved it meanwhile; writes no field of the records.

    Args:
        store: The store.
        profiles: The clients.
        scores: Their smoothed scores.
        steps: Their steps from now on.
        ttl_seconds: Least time for which a client is kept.
        rest: Is called between two parts.

    Raises:
        StoreError: The store failed; some may be saved.
    """
    records = profiles.records
    keep = keep_seconds(records)
    results: list[SaveResult] = []
    blobs = profile.encode(records)
    for start in range(0, len(blobs), AT_ONCE):
        rest()
        part = slice(start, start + AT_ONCE)
        updates = [
            Update(client, state.revision, step, score, blob, int(seconds))
            for client, state, step, score, blob, seconds in zip(
                profiles.clients[part],
                profiles.states[part],
                steps[part].tolist(),
                scores[part].tolist(),
                blobs[part],
                keep[part].tolist(),
                strict=True,
            )
        ]
        results += store.save(updates, ttl_seconds)
    stale = [c for c, result in zip(profiles.clients, results, strict=True) if result == "stale"]
    return Saved(np.array([result == "saved" for result in results]), stale)
