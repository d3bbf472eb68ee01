"""Count the legitimate, unseen requests that the calibrated score alone would flag.

In service it never speaks alone: regulars are judged by their own past, scores are smoothed, and
flagged clients are refused. So the judge is watched, and its raw scores are counted by the promise
of the calibration: of all requests of clients that are no regulars, the share of those that do
harm, as far as :func:`flask_irl.verdicts.rules.harmful` can tell, and score below -0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.behaviour.observation import Fields
from flask_irl.model.calibration import THRESHOLD
from flask_irl.model.model import Model
from flask_irl.stores.state import ClientState
from flask_irl.verdicts import profiler
from flask_irl.verdicts.judge import Verdicts, judge
from flask_irl.verdicts.ladder import Ladder
from flask_irl.verdicts.profiler import Profiler
from flask_irl.verdicts.rules import harmful


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
        odd = (verdicts.raw < THRESHOLD) & harmful(verdicts.features)
        self.requests += int(counted.sum())
        self.flagged += int(counted[odd & (evidence >= ladder.evidence)].sum())


@contextmanager
def watching(labels: Mapping[str, str]) -> Iterator[Realised]:
    """Count the verdicts of the block; ``labels`` are those of the clients, by name."""
    realised = Realised()
    weights = np.zeros(0, dtype=np.int64)
    save = Profiler._save

    def saving(
        self: Profiler,
        model: Model,
        states: list[tuple[str, ClientState]],
        by_client: dict[str, list[Fields]],
        gathered: Any,
    ) -> list[str]:
        nonlocal weights
        weights = np.array(
            [
                len(by_client[client]) if labels.get(client, "").startswith("legit:") else 0
                for client, _ in states
            ]
        )
        return save(self, model, states, by_client, gathered)

    def judging(model: Model, ladder: Ladder, *arguments: Any, **more: Any) -> Verdicts:
        verdicts = judge(model, ladder, *arguments, **more)
        evidence = profile.sums_of(arguments[1], "n")
        realised.note(model, ladder, verdicts, evidence, weights)
        return verdicts

    with patch.object(Profiler, "_save", saving), patch.object(profiler, "judge", judging):
        yield realised
