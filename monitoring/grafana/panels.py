"""Build Grafana's panels from their descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import ascii_uppercase
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import common as parts
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

from monitoring.grafana.spec import GREEN, Kind, Panel, Query, Thresholds

DATASOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

PanelBuilder = TypeVar("PanelBuilder", timeseries.Panel, stat.Panel, heatmap.Panel, table.Panel)


def build(spec: Panel, number: int, place: dashboard.GridPos, runbook: str) -> dashboard.Panel:
    """Build a panel.

    Args:
        spec: Description of the panel.
        number: Id in the dashboard.
        place: Place on the grid.
        runbook: URL of the runbook.
    """
    panel = DRAW[spec.kind](spec)
    panel.id_val = number
    panel.grid_pos = place
    if spec.runbook:
        panel.links = [_link("Runbook", f"{runbook}#{spec.runbook}").build()]
    return panel


def runbook_link(url: str) -> boards.DashboardLink:
    """Build the dashboard's own link to the runbook."""
    return _link("Runbook", url).icon("doc").tooltip("What each alert means, and what to do")


def _line(spec: Panel) -> dashboard.Panel:
    panel = _common(timeseries.Panel(), spec)
    style = common.GraphThresholdsStyleMode
    panel.tooltip(
        parts.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    ).legend(
        parts.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    ).thresholds_style(
        parts.GraphThresholdsStyleConfig().mode(style.DASHED if spec.thresholds else style.OFF)
    ).color_scheme(
        boards.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
    ).show_points(common.VisibilityMode.NEVER).fill_opacity(10)
    if spec.kind == "stacked":
        panel.fill_opacity(50).stacking(parts.StackingConfig().mode(common.StackingMode.NORMAL))
    if spec.kind == "steps":
        panel.line_interpolation(common.LineInterpolation.STEP_AFTER)
    for name, color in spec.colors.items():
        panel.override_by_name(name, [_value("color", {"mode": "fixed", "fixedColor": color})])
    for pattern, unit in spec.right.items():
        panel.override_by_regexp(
            pattern, [_value("unit", unit), _value("custom.axisPlacement", "right")]
        )
    return panel.build()


def _stat(spec: Panel) -> dashboard.Panel:
    calm = common.BigValueColorMode.NONE
    panel = _common(stat.Panel(), spec)
    panel.reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"])).color_mode(
        common.BigValueColorMode.VALUE if spec.thresholds else calm
    ).graph_mode(
        common.BigValueGraphMode.NONE if spec.queries[0].instant else common.BigValueGraphMode.AREA
    )
    return panel.build()


def _heatmap(spec: Panel) -> dashboard.Panel:
    panel = _common(heatmap.Panel(), spec, PromQueryFormat.HEATMAP)
    axis = heatmap.YAxisConfig().unit(spec.unit)
    if spec.decimals is not None:
        axis.decimals(spec.decimals)
    panel.calculate(False).y_axis(axis).color(
        heatmap.HeatmapColorOptions()
        .mode(HeatmapColorMode.SCHEME)
        .scheme("Oranges")
        .fill("dark-orange")
        .exponent(0.5)
        .steps(64)
    ).cell_values(heatmap.CellValues().unit("short")).show_legend().tooltip(
        heatmap.HeatmapTooltip().mode(common.TooltipDisplayMode.SINGLE).y_histogram(True)
    )
    return panel.build()


def _table(spec: Panel) -> dashboard.Panel:
    panel = _common(table.Panel(), spec, PromQueryFormat.TABLE)
    # One row for each set of labels, and a column for each query.
    panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": {}}
        )
    )
    for letter, query in zip(ascii_uppercase, spec.queries, strict=False):
        overrides = [_value("displayName", query.legend)]
        if query.unit:
            overrides.append(_value("unit", query.unit))
        panel.override_by_name(f"Value #{letter}", overrides)
    panel.sort_by([parts.TableSortByFieldState().display_name(spec.queries[0].legend).desc(True)])
    return panel.build()


DRAW: Final[Mapping[Kind, Callable[[Panel], dashboard.Panel]]] = {
    "line": _line,
    "stacked": _line,
    "steps": _line,
    "stat": _stat,
    "heatmap": _heatmap,
    "table": _table,
}


def _common(
    panel: PanelBuilder, spec: Panel, form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> PanelBuilder:
    panel.title(spec.title).description(spec.description).datasource(DATASOURCE).unit(spec.unit)
    panel.thresholds(_thresholds(spec.thresholds))
    for letter, query in zip(ascii_uppercase, spec.queries, strict=False):
        panel.with_target(_target(letter, query, form))
    if spec.minimum is not None:
        panel.min(spec.minimum)
    if spec.maximum is not None:
        panel.max(spec.maximum)
    if spec.decimals is not None:
        panel.decimals(spec.decimals)
    if spec.no_value:
        panel.no_value(spec.no_value)
    return panel


def _target(letter: str, query: Query, form: PromQueryFormat) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .ref_id(letter)
        .expr(query.expr)
        .datasource(DATASOURCE)
        .format(form)
        .editor_mode(QueryEditorMode.CODE)
    )
    if query.legend and form != PromQueryFormat.TABLE:
        target.legend_format(query.legend)
    return target.instant() if query.instant or form == PromQueryFormat.TABLE else target.range()


def _thresholds(steps: Thresholds) -> boards.ThresholdsConfig:
    # Grafana wants the first one to reach down to the smallest value.
    first = dashboard.Threshold(value=None, color=GREEN)
    others = [dashboard.Threshold(value=value, color=color) for value, color in steps]
    return boards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps([first, *others])


def _value(name: str, value: object) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def _link(title: str, url: str) -> boards.DashboardLink:
    return (
        boards.DashboardLink(title)
        .type(dashboard.DashboardLinkType.LINK)
        .url(url)
        .target_blank(True)
    )
