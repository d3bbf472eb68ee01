"""Count answers by persona, by second, over the whole run by outcome; judge the run by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np

from demo_app.personas import Persona
from loadtests.load.checks import Judgement
from loadtests.load.scenario import ATTACKERS, EVERYBODY, MONITOR

Side = Literal["normal", "attack", "monitor"]
SIDES: Final[dict[Persona, Side]] = {
    **dict.fromkeys(EVERYBODY, "normal"),
    **dict.fromkeys(ATTACKERS, "attack"),
    MONITOR: "monitor",
}
FINE, FAILED, NOTHING_TESTED = 0, 1, 3
LEAST_SERVED: Final = 0.99
"""Share of normal clients' requests that must be served under any attack."""


@dataclass(slots=True)
class Line:
    """Count one persona's requests in the measured time.

    ``failures`` are answers that were wrong or missing, ``tightened`` those that showed less than
    the full limit.
    """

    side: Side
    sent: int = 0
    admitted: int = 0
    refused: int = 0
    failures: int = 0
    tightened: int = 0


@dataclass(slots=True)
class Moment:
    """Count one second's requests; a limit without a model would admit ``attack_within``."""

    normal_sent: int = 0
    normal_served: int = 0
    attack_sent: int = 0
    attack_admitted: int = 0
    attack_within: int = 0


@dataclass(slots=True)
class Tally:
    """Count judged answers to some personas."""

    personas: Iterable[Persona] = EVERYBODY
    outcomes: Counter[str] = field(default_factory=Counter)
    complaints: Counter[str] = field(default_factory=Counter)
    lines: dict[str, Line] = field(init=False)
    _times: dict[str, list[float]] = field(init=False)
    _moments: dict[int, Moment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = {persona.name: Line(SIDES[persona]) for persona in self.personas}
        self._times = {name: [] for name in self.lines}

    def count(self, persona: str, judgement: Judgement, seconds: float, second: float) -> None:
        """Count an answer to a persona's request, made at a ``second`` of the measured time.

        The second is negative before; ``seconds`` are those that the answer took.
        """
        self.outcomes[judgement.kind] += 1
        if judgement.complaint:
            # Also of the time that is not measured: wrong is wrong.
            self.complaints[f"{persona}: {judgement.complaint}"] += 1
        if second < 0:
            return
        line = self.lines[persona]
        line.sent += 1
        line.admitted += judgement.kind in ("allowed", "exempt")
        line.refused += judgement.kind == "limited"
        line.failures += bool(judgement.complaint)
        line.tightened += judgement.tightened
        self._times[persona].append(seconds)
        moment = self._moments.setdefault(int(second), Moment())
        admitted = judgement.kind == "allowed"
        if line.side == "normal":
            moment.normal_sent += 1
            moment.normal_served += admitted and not judgement.complaint
        elif line.side == "attack":
            moment.attack_sent += 1
            moment.attack_admitted += admitted
            moment.attack_within += judgement.within

    def to_json(self) -> dict[str, Any]:
        """Give all counts, for a file."""
        return {
            "outcomes": dict(self.outcomes),
            "complaints": dict(self.complaints),
            "personas": {
                name: asdict(line)
                | {
                    f"p{share}_ms": round(float(np.percentile(times, share)) * 1000, 2)
                    if times
                    else None
                    for share in (50, 95, 99)
                }
                for (name, line), times in zip(
                    self.lines.items(), self._times.values(), strict=True
                )
            },
            "seconds": [
                {"second": second, **asdict(moment)}
                for second, moment in sorted(self._moments.items())
            ],
        }


def exit_code(counts: Mapping[str, Any]) -> int:
    """Give the exit code of the load generator, by the counts of :meth:`Tally.to_json`.

    It is 0 when every answer was right, 1 when one was not, 3 when a persona got no answer at all,
    so that nothing can be said.
    """
    if counts["complaints"]:
        return FAILED
    lines = counts["personas"].values()
    return FINE if lines and all(line["sent"] for line in lines) else NOTHING_TESTED


def complaints(counts: Mapping[str, Any], *, model_version: int) -> list[str]:
    """List the duties that the limiter missed; version 0 means that no model is in force."""
    if not model_version:
        return ["no model was in force: the attack was only met by the full limit"]
    missed = []
    share = share_served(counts)
    if share is not None and share < LEAST_SERVED:
        missed.append(f"only {share:.2%} of the normal clients' requests were served")
    for name, line in counts["personas"].items():
        if line["side"] == "attack" and not line["tightened"]:
            missed.append(f"{name}: was never held to less than the full limit")
    return missed


def share_served(counts: Mapping[str, Any]) -> float | None:
    """Give the share of normal clients' requests that were served; None if they sent none."""
    sent = sum(moment["normal_sent"] for moment in counts["seconds"])
    served = sum(moment["normal_served"] for moment in counts["seconds"])
    return served / sent if sent else None
