"""Describe panels, queries and rows of the dashboard, apart from Grafana's own classes."""

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
    """Describe a query of a panel.

    Attributes:
        expr: PromQL; Grafana fills in ``$job``, ``$route``, ``$tenant``, ``$__rate_interval`` and
            ``$__range``.
        legend: Name of a series, with ``{{label}}`` for a label's value, or of a table's column.
        unit: Unit of a table's column, empty for the panel's.
        instant: Evaluate once, at the end of the time range.
    """

    expr: str
    legend: str = ""
    unit: str = ""
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Describe a panel.

    Attributes:
        title: Name of the quantity.
        description: Meaning of the quantity, and when to worry.
        unit: Grafana's id of the unit.
        queries: One or more.
        kind: Kind of drawing.
        width: Columns, of 24.
        height: Rows of the grid, each about 38 pixels.
        thresholds: Lowest value of each colour; below the first it is green.
        colors: Colour by series.
        right: Unit by series (a pattern), for series with an axis of their own.
        runbook: Anchor of a heading in the runbook.
        minimum: Lowest value of the axis.
        maximum: Highest value of the axis.
        decimals: Most decimals.
        no_value: Text of a stat without a value.
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
    """Group panels under a heading; they fill lines of 24 columns from left to right."""

    title: str
    panels: tuple[Panel, ...]
