"""Count answers: by persona, by second, and over the whole run by outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from demo_app.personas import Persona
from loadtests.load.checks import Judgement
from loadtests.load.scenario import ATTACKERS, EVERYBODY, MONITOR
from loadtests.percentile import percentile

Side = Literal["normal", "attack", "monitor"]
SHARES: Final = (50, 95, 99)


def side_of(persona: Persona) -> Side:
    """Give the side of a persona."""
    if persona in ATTACKERS:
        return "attack"
    return "monitor" if persona == MONITOR else "normal"


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
        self.lines = {persona.name: Line(side_of(persona)) for persona in self.personas}
        self._times = {name: [] for name in self.lines}

    def count(self, persona: str, judgement: Judgement, seconds: float, second: float) -> None:
        """Count an answer.

        Args:
            persona: Name of the client's persona.
            judgement: Judgement on the answer.
            seconds: Time that the answer took.
            second: Time of the request, in the measured time; negative before.
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
                name: asdict(line) | _milliseconds(self._times[name])
                for name, line in self.lines.items()
            },
            "seconds": [
                {"second": second, **asdict(moment)}
                for second, moment in sorted(self._moments.items())
            ],
        }


def _milliseconds(times: Sequence[float]) -> dict[str, float | None]:
    return {
        f"p{share}_ms": round(percentile(times, share / 100) * 1000, 2) if times else None
        for share in SHARES
    }
