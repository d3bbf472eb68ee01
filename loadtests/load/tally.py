"""What the load test counts: per persona, per second, and over the whole run per outcome."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from demo_app.personas import Persona
from loadtests.load.checks import Judgement
from loadtests.load.scenario import ATTACKERS, EVERYBODY, MONITOR

Side = Literal["normal", "attack", "monitor"]
SHARES: Final = (50, 95, 99)


def side_of(persona: Persona) -> Side:
    """Which side a persona is on."""
    if persona in ATTACKERS:
        return "attack"
    return "monitor" if persona == MONITOR else "normal"


@dataclass(slots=True)
class Line:
    """One persona's counts in the measured time.

    Attributes:
        sent: Requests.
        admitted: Those that the limiter let through.
        refused: Those that it refused.
        failures: Those whose answer was wrong, or missing.
        tightened: Answers that showed a limit below the full one.
        took: Seconds that each answer took.
    """

    sent: int = 0
    admitted: int = 0
    refused: int = 0
    failures: int = 0
    tightened: int = 0
    took: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Moment:
    """One second of the measured time; ``within`` is what a limit without a model would admit."""

    normal_sent: int = 0
    normal_served: int = 0
    attack_sent: int = 0
    attack_admitted: int = 0
    attack_within: int = 0


class Tally:
    """Counts judged answers.

    Args:
        personas: Whose lines there are.
    """

    def __init__(self, personas: Iterable[Persona] = EVERYBODY) -> None:
        self._sides = {persona.name: side_of(persona) for persona in personas}
        self.lines = {name: Line() for name in self._sides}
        self.outcomes: Counter[str] = Counter()
        self.complaints: Counter[str] = Counter()
        self.moments: dict[int, Moment] = {}

    def count(self, persona: str, judgement: Judgement, took: float, second: float) -> None:
        """Take down an answer.

        Args:
            persona: Whose.
            judgement: What is to be said of it.
            took: Seconds that it took.
            second: When it was asked for, in the measured time; negative before.
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
        line.took.append(took)
        self._count_moment(self._sides[persona], judgement, self.moment(second))

    def moment(self, second: float) -> Moment:
        """The counts of a second."""
        return self.moments.setdefault(int(second), Moment())

    def to_json(self) -> dict[str, Any]:
        """All of it, for a file."""
        return {
            "outcomes": dict(self.outcomes),
            "complaints": dict(self.complaints),
            "personas": {
                name: {
                    "side": self._sides[name],
                    "sent": line.sent,
                    "admitted": line.admitted,
                    "refused": line.refused,
                    "failures": line.failures,
                    "tightened": line.tightened,
                    **{f"p{share}_ms": _milliseconds(line.took, share) for share in SHARES},
                }
                for name, line in self.lines.items()
            },
            "seconds": [
                {
                    "second": second,
                    "normal_sent": moment.normal_sent,
                    "normal_served": moment.normal_served,
                    "attack_sent": moment.attack_sent,
                    "attack_admitted": moment.attack_admitted,
                    "attack_within": moment.attack_within,
                }
                for second, moment in sorted(self.moments.items())
            ],
        }

    def _count_moment(self, side: Side, judgement: Judgement, moment: Moment) -> None:
        admitted = judgement.kind == "allowed"
        if side == "normal":
            moment.normal_sent += 1
            moment.normal_served += admitted and not judgement.complaint
        elif side == "attack":
            moment.attack_sent += 1
            moment.attack_admitted += admitted
            moment.attack_within += judgement.within


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that ``share`` percent of all are not above; None of none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def _milliseconds(took: Sequence[float], share: int) -> float | None:
    seconds = percentile(took, share)
    return None if seconds is None else round(seconds * 1000, 2)
