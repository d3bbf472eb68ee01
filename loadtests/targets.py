"""Hold figures of benchmark and evaluation to what is wanted, in a table and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.tables import Table


@dataclass(frozen=True)
class Outcome:
    """Hold a figure against its target: the most that is wanted, or with ``least`` the least.

    ``unjudged`` says why it can't be judged; ``quartiles`` are those of its sample, if it has one.
    """

    name: str
    value: float
    target: float
    unit: str = ""
    digits: int = 2
    least: bool = False
    text: str = ""
    unjudged: str = ""
    quartiles: Sequence[float] = ()

    @property
    def verdict(self) -> str:
        """Give ``ok``, ``missed`` or the reason why it isn't judged."""
        met = self.value >= self.target if self.least else self.value <= self.target
        return self.unjudged or ("ok" if met else "missed")

    @property
    def wanted(self) -> str:
        """Write the target."""
        return f"{'at least' if self.least else 'at most'} {self.target:g}{self.unit}"

    def show(self, value: float) -> str:
        """Write a value of the figure, with its unit."""
        return f"{value:.{self.digits}f}{self.unit}"


def is_missed(outcomes: Sequence[Outcome]) -> bool:
    """Tell whether a figure is not as wanted."""
    return any(one.verdict == "missed" for one in outcomes)


def table(outcomes: Sequence[Outcome]) -> Table:
    """Make a table of figures and targets."""
    rows = []
    for one in outcomes:
        spread = "" if len(set(one.quartiles)) < 2 else " to ".join(map(one.show, one.quartiles))
        rows.append((one.name, one.text, one.show(one.value), spread, one.wanted, one.verdict))
    return Table(("figure", "", "measured", "quartiles", "wanted", "outcome"), rows, left=2)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Write which figures are as wanted, and which are not."""
    good = sum(one.verdict == "ok" for one in outcomes)
    text = f"{good} of {len(outcomes)} figures are as wanted."
    for one in outcomes:
        if one.verdict == "missed":
            text += f" Missed: {one.name} is {one.show(one.value)}, wanted {one.wanted}."
        elif one.verdict != "ok":
            text += f" Not judged: {one.name} ({one.unjudged})."
    return text
