"""Compute what a model's calibration came to: its target beside the rate of the last day."""

from __future__ import annotations

import math
from typing import Final, TypedDict

from flask_irl.behaviour.rollups import OUTCOMES, SCORE_BUCKETS
from flask_irl.limiter.limiter import Limiter

RESOLUTION: Final = 60
DAY: Final = 86_400


class RealisedRate(TypedDict):
    """Describe the rate at which the model in force has flagged, beside its calibration's target.

    Members:
        target: The option ``false_flag_rate``: the share of legitimate clients' requests that the
            threshold may hold, 0 to 1.
        since: Beginning of the first minute that is counted, in seconds since the epoch; None where
            none is. Minutes of the last day in which another model was in force aren't.
        judgements: Scores that clients got.
        beyond_share: Share of them below the threshold in force; None without any. Scores are kept
            by tenths, and count as even within one.
        requests: Requests to limited routes.
        held_share: Share of them that came from clients at a lower step; None without any.
    """

    target: float
    since: float | None
    judgements: int
    beyond_share: float | None
    requests: int
    held_share: float | None


def realised_rate(limiter: Limiter) -> RealisedRate:
    """Compute the rate over the minutes of the last day in which the present model was in force.

    Args:
        limiter: The limiter.

    Raises:
        StoreError: The store failed.
    """
    limiter.refresh()
    version, options = limiter.trainer.model.version, limiter.options
    now = int(limiter.store.now())
    rollups = limiter.store.rollups(RESOLUTION, now - DAY + RESOLUTION, now)
    rows = {begin: rollup.named() for begin, rollup in rollups.items()}
    own = {begin: row for begin, row in rows.items() if row["model_version"] == version}
    buckets = [
        sum(row[f"score_{bucket}"] for row in own.values()) for bucket in range(SCORE_BUCKETS)
    ]
    requests = sum(row[name] for row in own.values() for name in OUTCOMES)
    held = sum(row["flagged"] for row in own.values())
    judgements = sum(buckets)
    return {
        "target": options.false_flag_rate,
        "since": float(min(own)) if own else None,
        "judgements": judgements,
        "beyond_share": _beyond(buckets, options.anomaly_threshold) / judgements
        if judgements
        else None,
        "requests": requests,
        "held_share": held / requests if requests else None,
    }


def _beyond(buckets: list[int], threshold: float) -> float:
    """Count the scores below a threshold, those of its own bucket in part."""
    part, whole = math.modf(round(-threshold * SCORE_BUCKETS, 6))
    first = int(whole)
    return sum(buckets[first:]) - (buckets[first] * part if first < SCORE_BUCKETS else 0.0)
