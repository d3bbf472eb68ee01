"""Keep a candidate out of force that would flag too many legitimate clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from flask_irl.behaviour.rows import Rows
from flask_irl.model.model import Model

SHARE: Final = 0.05
"""Largest share of recent legitimate clients that a candidate may flag."""
FEW: Final = 2
"""So few flagged clients say nothing of a share."""
RECENT: Final = 0.15
"""Share of the rows, the latest, that a candidate is tried on."""
LEAST_ROWS: Final = 32


@dataclass(frozen=True, slots=True)
class Trial:
    """Report the trial of a candidate on recent legitimate clients.

    Attributes:
        flagged: Number of clients that it flags.
        clients: Number of clients it was tried on, at least 1.
    """

    flagged: int
    clients: int

    @property
    def share(self) -> float:
        """Give the share of clients that the candidate flags, 0 to 1."""
        return self.flagged / self.clients

    @property
    def passed(self) -> bool:
        """Tell whether the candidate may come into force."""
        return self.flagged <= max(FEW, SHARE * self.clients)

    @property
    def reason(self) -> str:
        """Say why the candidate may not come into force."""
        return (
            f"it would flag {self.share:.1%} of recent legitimate clients, {SHARE:.0%} are allowed"
        )


def try_candidate(candidate: Model, rows: Rows, threshold: float) -> Trial:
    """Try a candidate on the most recent rows.

    Args:
        candidate: The model.
        rows: Rows of legitimate clients, oldest first, at least one.
        threshold: Calibrated score below which a client is flagged, -1 to 0.
    """
    recent = rows[-max(LEAST_ROWS, int(len(rows) * RECENT)) :]
    scores = candidate.score(np.ascontiguousarray(recent["features"]))
    flagged = np.unique(recent["client"][scores < threshold])
    return Trial(len(flagged), len(np.unique(recent["client"])))
