"""Count the legitimate, unseen requests that the calibrated score alone would flag.

In service it never speaks alone: regulars are judged by their own past, scores are smoothed, and
flagged clients are refused. So the judge is watched, and its raw scores are counted by the promise
of the calibration: of all requests of clients that are no regulars, the share of those that do
harm, as far as :func:`flask_irl.behaviour.harm.harmful` can tell, and score below -0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.behaviour.harm import harmful
from flask_irl.model.calibration import THRESHOLD
from flask_irl.model.model import Model
from flask_irl.verdicts.flush import Judged
from flask_irl.verdicts.judge import Verdicts
from flask_irl.verdicts.ladder import Ladder


@dataclass
class Realised:
    """Count requests of legitimate clients that are no regulars, once a model is in force.

    ``flagged`` are those of clients with a calibrated score, at that moment, below -0.5.
    """

    requests: int = 0
    flagged: int = 0

    def note(
        self, model: Model, ladder: Ladder, verdicts: Verdicts, evidence: Any, weights: Any
    ) -> None:
        """Count a batch of verdicts.

        Args:
            model: Model in force.
            ladder: Has the least evidence on which a client is judged.
            verdicts: Verdicts on the clients.
            evidence: Requests in memory, of each client.
            weights: Requests since its last verdict, of each; 0 of those that don't count.
        """
        if not model.version or model.advisory:
            return
        counted = np.where(verdicts.regular, 0, weights)
        odd = (verdicts.model_scores < THRESHOLD) & harmful(verdicts.features)
        self.requests += int(counted.sum())
        self.flagged += int(counted[odd & (evidence >= ladder.evidence)].sum())


def counter(realised: Realised, labels: Mapping[str, str]) -> Callable[[Judged], None]:
    """Count the clients judged together, as :attr:`Profiler.on_judged` has it.

    Args:
        realised: Counts them.
        labels: The clients' labels, by name.
    """

    def count(judged: Judged) -> None:
        profiles = judged.profiles
        weights = np.array(
            [
                count if labels.get(client, "").startswith("legit:") else 0
                for client, count in zip(profiles.clients, profiles.observations, strict=True)
            ]
        )
        evidence = profile.sums_of(profiles.records, "n")
        realised.note(judged.model, judged.ladder, judged.verdicts, evidence, weights)

    return count
