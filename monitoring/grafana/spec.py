"""What a panel is, in the few words that the dashboard needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["line", "stacked", "steps", "stat", "heatmap", "table"]
Thresholds = tuple[tuple[float, str], ...]

GREEN: Final = "green"
YELLOW: Final = "yellow"
ORANGE: Final = "orange"
RED: Final = "red"
BLUE: Final = "blue"
PURPLE: Final = "purple"
GRAY: Final = "text"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: PromQL; ``$job``, ``$route``, ``$__rate_interval`` and ``$__range`` are Grafana's
            to fill in.
        legend: The name of a series, ``{{label}}`` for a label's value; of a table's column.
        unit: Of a table's column, where it isn't the panel's.
        instant: Evaluate once, at the end of the time range.
    """

    expr: str
    legend: str = ""
    unit: str = ""
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: What is shown.
        description: What it tells, and when to worry.
        unit: Grafana's id of it.
        queries: One or more.
        kind: How it is drawn.
        width: Of 24 columns.
        height: A row of the grid is about 38 pixels.
        thresholds: From which value on which colour; below the first it is green.
        colors: By series.
        right: Series with an axis of their own, and its unit.
        runbook: The heading in the runbook that helps, as its anchor.
        minimum: Of the axis.
        maximum: Of the axis.
        decimals: Shown at most.
        no_value: What a stat says when there is nothing.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "line"
    width: int = 8
    height: int = 7
    thresholds: Thresholds = ()
    colors: Mapping[str, str] = field(default_factory=dict)
    right: Mapping[str, str] = field(default_factory=dict)
    runbook: str = ""
    minimum: float | None = 0
    maximum: float | None = None
    decimals: int | None = None
    no_value: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; they fill lines of 24 columns from left to right."""

    title: str
    panels: tuple[Panel, ...]
