"""Build the Grafana dashboard: ``python -m monitoring.grafana.build_dashboard``.

Writes ``dashboards/flask_irl.json``, which is committed, so that Grafana needs no Python.
``--runbook URL`` links to a runbook published elsewhere.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from monitoring.grafana import limiter, overview, panels, site, tenants
from monitoring.grafana.layout import COLUMNS, place
from monitoring.grafana.promql import JOB
from monitoring.grafana.spec import Row

OUT: Final = Path(__file__).parent / "dashboards" / "flask_irl.json"
RUNBOOK: Final = "http://127.0.0.1:9090/consoles/runbook.html"
"""As the compose stack's Prometheus serves it, see :mod:`monitoring.runbook`."""
UID: Final = "flask-irl"
DATASOURCE_UID: Final = "flask-irl-prometheus"
"""As in ``provisioning/datasources``."""
ROWS: Final = (
    overview.OVERVIEW,
    site.ROUTES,
    tenants.TENANTS,
    limiter.LEARNING,
    limiter.LIMITER,
    site.SITE,
)
ALL: Final = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
VERSION: Final = f"irl_model_version{{{JOB}}}"
# With several processes there is no version at all before the first model.
NEW_MODEL: Final = (
    f"max by (job) (changes({VERSION}[2m])) > 0 "
    f"or max by (job) ({VERSION} > 0 unless {VERSION} offset 2m)"
)


def build(runbook: str = RUNBOOK) -> dashboard.Dashboard:
    """Make the whole dashboard.

    Args:
        runbook: The URL of the runbook, whose headings the panels link to.
    """
    board = (
        builders.Dashboard("flask_irl")
        .uid(UID)
        .description("What flask_irl decides, whom it flags, what it learns, and what it costs.")
        .tags(["flask", "flask_irl", "rate-limit"])
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .link(panels.runbook_link(runbook))
        .annotation(_new_models())
    )
    for variable in (_datasource(), _jobs(), _routes(), _tenants()):
        board.with_variable(variable)
    result = board.build()
    result.panels = _panels(runbook)
    return result


def text(board: dashboard.Dashboard) -> str:
    """Encode the dashboard for its file."""
    return json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the dashboard's file."""
    parser = argparse.ArgumentParser(description="Build the Grafana dashboard.")
    parser.add_argument("--runbook", default=RUNBOOK, help="URL of the runbook (%(default)s)")
    OUT.write_text(text(build(parser.parse_args().runbook)), encoding="utf-8")
    print(f"Written: {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}")


def _panels(runbook: str) -> list[dashboard.Panel | dashboard.RowPanel]:
    built: list[dashboard.Panel | dashboard.RowPanel] = []
    top = 0
    for index, row in enumerate(ROWS):
        # The first screen needs no heading.
        if index:
            built.append(_heading(row, len(built) + 1, top))
            top += 1
        placed, top = place(row.panels, top)
        for spec, x, y in placed:
            cell = dashboard.GridPos(x=x, y=y, w=spec.width, h=spec.height)
            built.append(panels.build(spec, len(built) + 1, cell, runbook))
    return built


def _heading(row: Row, number: int, top: int) -> dashboard.RowPanel:
    cell = dashboard.GridPos(x=0, y=top, w=COLUMNS, h=1)
    return builders.Row(row.title).id(number).grid_pos(cell).build()


def _datasource() -> builders.DatasourceVariable:
    return (
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .type("prometheus")
        .current(dashboard.VariableOption(selected=True, text="Prometheus", value=DATASOURCE_UID))
    )


def _jobs() -> builders.QueryVariable:
    # Every process of flask_irl has this metric from its start, one that only trains, too.
    return _labels("job", "Job", "label_values(irl_store_fallback, job)")


def _routes() -> builders.QueryVariable:
    return _labels("route", "Route", f"label_values(irl_requests_total{{{JOB}}}, route)")


def _tenants() -> builders.QueryVariable:
    # Empty where there are none; the rows about the whole site don't go by it.
    return _labels("tenant", "Tenant", f"label_values(irl_tenant_requests_total{{{JOB}}}, tenant)")


def _labels(name: str, label: str, query: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(panels.DATASOURCE)
        .query({"query": query, "refId": f"variable-{name}"})
        .definition(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        # Not the list of all values, which is long, and lacks those of the past.
        .all_value(".*")
        .current(ALL)
    )


def _new_models() -> builders.AnnotationQuery:
    return (
        builders.AnnotationQuery()
        .name("New models")
        .datasource(panels.DATASOURCE)
        .enable(True)
        .icon_color("blue")
        .expr(NEW_MODEL)
        .step("60s")
        .title_format("New model")
        .text_format("{{job}}")
        .tag_keys("job")
        .target(
            prometheus.Dataquery()
            .ref_id("Anno")
            .expr(NEW_MODEL)
            .datasource(panels.DATASOURCE)
            .interval("60s")
            .range()
        )
    )


if __name__ == "__main__":
    main()
