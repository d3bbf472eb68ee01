"""Place panels on Grafana's grid of 24 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from monitoring.grafana.spec import Panel

COLUMNS: Final = 24


class Placement(NamedTuple):
    """Place a panel by its upper left corner."""

    panel: Panel
    x: int
    y: int


def lines(panels: Iterable[Panel]) -> Iterator[list[Panel]]:
    """Group panels into lines of those that fit beside each other."""
    line: list[Panel] = []
    for panel in panels:
        if line and sum(other.width for other in line) + panel.width > COLUMNS:
            yield line
            line = []
        line.append(panel)
    if line:
        yield line


def place(panels: Iterable[Panel], top: int) -> tuple[list[Placement], int]:
    """Place panels from ``top`` downwards; the second result is the row below them."""
    placements = []
    for line in lines(panels):
        x = 0
        for panel in line:
            placements.append(Placement(panel, x, top))
            x += panel.width
        top += max(panel.height for panel in line)
    return placements, top
