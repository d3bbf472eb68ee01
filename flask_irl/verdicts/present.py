"""Judge clients as of now, though their latest requests may be long ago. Pure.

A verdict is made when a client has sent requests; whoever reads it later sees what it would be by
now. Steps are left as they are: they hold until the client comes again.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.sums import Floats
from flask_irl.model.model import Model
from flask_irl.verdicts.judge import horizons, judge
from flask_irl.verdicts.ladder import Ladder
from flask_irl.verdicts.rules import Rules

FRESH_SECONDS: Final = 2.0
"""Time for which a verdict is as good as new: about that of a flush."""


def judge_now(
    model: Model,
    ladder: Ladder,
    rules: Rules,
    records: profile.Records,
    *,
    steps: NDArray[np.int64],
    scores: Floats,
    now: float,
) -> Floats:
    """Judge clients by their profiles, faded until now.

    Args:
        model: The model in force.
        ladder: The steps.
        rules: Rules that need no model.
        records: The clients' profiles, as of their latest requests.
        steps: Their present steps.
        scores: Their smoothed scores, as of their latest requests.
        now: The present, in seconds since the epoch.

    Returns:
        Their smoothed scores as of now, from 0 to -1.
    """
    if not len(records):
        return scores
    idle = np.where(records["updated"] == 0, 0.0, np.maximum(now - records["updated"], 0.0))
    faded = records.copy()
    profile.fade_idle(faded, records["updated"] + idle, horizons(ladder, records, steps))
    verdicts = judge(
        model,
        ladder,
        rules,
        profile.faded(faded, now),
        steps=steps,
        scores=scores,
        elapsed=np.where(scores == 0.0, np.inf, idle),
        routes=None,
        now=now,
    )
    present: Floats = np.where(idle < FRESH_SECONDS, scores, verdicts.scores)
    return present
