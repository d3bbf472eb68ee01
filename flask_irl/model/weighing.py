"""Weigh the scores of detectors by the harm that clients do."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import column
from flask_irl.behaviour.harm import harm_level, lasting_harm
from flask_irl.behaviour.jobs import in_one_run, in_runs
from flask_irl.model.detectors import Rows

Doublings = NDArray[np.float64] | float
USUAL_HARM: Final = 2.4
"""Level of harm that eager people reach; attackers do several times as much."""
USUAL_RATE: Final = 450.0
"""Requests in a minute: people's apps send two hundred at once."""
USUAL_LASTING: Final = 180.0
"""Paths in an hour, see :func:`~flask_irl.behaviour.harm.lasting_harm`: three a minute, hardly one
of them twice."""
LASTING_WEIGHT: Final = 4.0
"""Weight of a doubling of those against one of the level of harm: people's bursts are short."""
LEAST_DOUBLINGS: Final = -1.0


def with_harm(
    raw: NDArray[np.float64], rows: Rows, weight: float, most: Doublings = np.inf
) -> NDArray[np.float64]:
    """Weigh a detector's scores by the harm that the rows show.

    A detector tells how unlike people a client moves. However much a scraper moves like them, it
    takes several times as much, and for longer; and whoever does little more than people do at
    times must be the more unlike them.

    Args:
        raw: The detector's scores, 0 to 1.
        rows: Rows of :mod:`flask_irl.behaviour.features` that it scored.
        weight: Added for each doubling of the level of harm beyond that of eager people, and taken
            off below, for one doubling at most; 0 to 1. Four times as much is added for each
            doubling of what is taken within an hour.
        most: Doublings that count at most, of the level and of what is taken within an hour: those
            beyond what a client is known for. None do of clients that pause as evenly as jobs do,
            which take much, too.

    Returns:
        Scores from 0 to 1.
    """
    if not weight:
        return raw
    features = rows.astype(np.float32, copy=False)
    rates = column(features, "requests_per_minute") / USUAL_RATE
    # A flood's harm over ten minutes is small in its first one.
    levels = np.maximum(harm_level(features) / USUAL_HARM, rates)
    doublings = np.log2(np.maximum(levels, 2.0**LEAST_DOUBLINGS))
    lasting = np.log2(np.maximum(lasting_harm(features) / USUAL_LASTING, 1.0))
    most = np.where(in_one_run(features) | in_runs(features), 0.0, most)
    doublings = np.minimum(doublings, most) + LASTING_WEIGHT * np.minimum(lasting, most)
    return np.asarray(np.clip(raw + weight * doublings, 0.0, 1.0))
