"""Where panels go on Grafana's grid of 24 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from monitoring.grafana.spec import Panel

COLUMNS: Final = 24


class Placed(NamedTuple):
    """A panel, and its upper left corner."""

    panel: Panel
    x: int
    y: int


def lines(panels: Iterable[Panel]) -> Iterator[list[Panel]]:
    """Panels that fit beside each other, one line after the other."""
    line: list[Panel] = []
    for panel in panels:
        if line and sum(each.width for each in line) + panel.width > COLUMNS:
            yield line
            line = []
        line.append(panel)
    if line:
        yield line


def place(panels: Iterable[Panel], top: int) -> tuple[list[Placed], int]:
    """Give each panel its place, from ``top`` downwards; also tells where the next thing goes."""
    placed = []
    for line in lines(panels):
        x = 0
        for panel in line:
            placed.append(Placed(panel, x, top))
            x += panel.width
        top += max(panel.height for panel in line)
    return placed, top
