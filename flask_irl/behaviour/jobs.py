"""Recognise jobs in the features of clients, by pauses as even as a program's."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import column
from flask_irl.behaviour.harm import Mask

ONE_RUN: Final = (0.5, 0.1)
"""Most variation and entropy (nats) of a job's intervals within one run."""
RUNS: Final = (4.0, 0.85)
"""Least variation of those of several runs, with the breaks between them, and most entropy."""


def in_one_run(features: NDArray[np.float32]) -> Mask:
    """Tell whether each client pauses as evenly as a job within one run."""
    variation, entropy = _pauses(features)
    return np.asarray((variation <= ONE_RUN[0]) & (entropy <= ONE_RUN[1]))


def in_runs(features: NDArray[np.float32]) -> Mask:
    """Tell whether each client pauses as evenly as a job, with breaks between its runs."""
    variation, entropy = _pauses(features)
    return np.asarray((variation >= RUNS[0]) & (entropy <= RUNS[1]))


def _pauses(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return column(features, "interval_variation"), column(features, "interval_entropy")
