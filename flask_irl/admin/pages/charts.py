"""Draw charts as shapes for SVG, which templates write; each with its figures as a table. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

WIDTH: Final = 640
HEIGHT: Final = 180
LEFT: Final = 52
RIGHT: Final = 8
TOP: Final = 10
BOTTOM: Final = 24
NAMES: Final = 7
"""Names below the axis at most."""
NICE: Final = (1, 2, 2.5, 5, 10)


class Series(NamedTuple):
    """Hold figures of one kind.

    Attributes:
        label: Its name for people.
        kind: Its class in the style sheet.
        values: A figure for each place, 0 or more.
    """

    label: str
    kind: str
    values: Sequence[float]


class Bar(NamedTuple):
    """Describe a bar: its place and size, the class of its series, and its text."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    text: str


class Mark(NamedTuple):
    """Describe a text or a line at a place of an axis."""

    at: float
    text: str


class Chart(NamedTuple):
    """Hold a chart.

    Attributes:
        name: Id of its elements on the page.
        title: The title.
        description: The same in a sentence or two, for whoever doesn't see it.
        bars: All bars.
        columns: Texts below the axis, by their x.
        lines: Lines across, by their y.
        edges: Lines down, by their x, such as a threshold.
        levels: Lines across that mean something, by their y, such as a threshold.
        legend: Label and class of each series.
        headings: Headings of the table.
        rows: Rows of the table.
        width, height, left, right, top, bottom: The whole, and the place of the bars within it.
    """

    name: str
    title: str
    description: str
    bars: list[Bar]
    columns: list[Mark]
    lines: list[Mark]
    edges: list[Mark]
    levels: list[Mark]
    legend: list[tuple[str, str]]
    headings: list[str]
    rows: list[list[str]]

    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def bars(
    name: str,
    title: str,
    description: str,
    places: Sequence[str],
    series: Sequence[Series],
    *,
    edges: Sequence[tuple[float, str]] = (),
    levels: Sequence[tuple[float, str]] = (),
    top: float | None = None,
    write: Callable[[float], str] | None = None,
) -> Chart:
    """Draw figures as bars, those of several series upon each other.

    Args:
        name: As of :class:`Chart`, like the next two.
        title: The title.
        description: The description.
        places: Name of each place on the axis, from the left.
        series: Figures by place, the lowest series first.
        edges: Lines down, each at so many places from the left, with its text.
        levels: Lines across, each at a figure, with its text.
        top: Figure at which the axis ends; by default one above all figures.
        write: Writes figures; by default as :func:`number` does, and shorter at the axis.
    """
    written, at_axis = write or number, write or short
    totals = [sum(values) for values in zip(*(s.values for s in series), strict=True)]
    most = nice_top(max(totals, default=0.0)) if top is None else top
    inner, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    step = inner / max(len(places), 1)
    shapes: list[Bar] = []
    for index, place in enumerate(places):
        base = float(HEIGHT - BOTTOM)
        for one in series:
            value = one.values[index]
            high = tall * value / most
            base -= high
            if value > 0:
                text = f"{place}: {written(value)} {one.label}"
                x, width = LEFT + index * step, max(step * 0.82, 1.0)
                shapes.append(
                    Bar(
                        round(x, 1), round(base, 1), round(width, 1), round(high, 1), one.kind, text
                    )
                )
    every = max(1, math.ceil(len(places) / NAMES))
    return Chart(
        name,
        title,
        description,
        shapes,
        [Mark(round(LEFT + (i + 0.41) * step, 1), places[i]) for i in range(0, len(places), every)],
        [
            Mark(round(HEIGHT - BOTTOM - tall * share, 1), at_axis(most * share))
            for share in (0.0, 0.5, 1.0)
        ],
        [Mark(round(LEFT + at * step, 1), text) for at, text in edges],
        [Mark(round(HEIGHT - BOTTOM - tall * at / most, 1), text) for at, text in levels],
        [(one.label, one.kind) for one in series],
        ["", *(one.label for one in series)],
        [
            [place, *(written(one.values[i]) for one in series)]
            for i, place in enumerate(places)
            if totals[i] > 0
        ],
    )


def nice_top(value: float) -> float:
    """Round a number up to one that an axis may end with; 1 for 0."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in NICE if step * power >= value * 0.999999)


def short(value: float) -> str:
    """Write a figure of an axis in few characters, such as ``2.5k``."""
    for unit, one in (("M", 1e6), ("k", 1e3)):
        if value >= one:
            return f"{value / one:.3g}{unit}"
    return number(value)


def number(value: float) -> str:
    """Write a figure of a chart: whole, or with two figures if it is small."""
    if value >= 10 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}"
