"""``flask irl replay``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
from flask import Flask, current_app
from werkzeug.routing import Rule

from flask_irl.cli.group import irl, plain_errors
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.plan import Plan
from flask_irl.telemetry.log import only_errors
from flask_irl.web.state import AppState, state_of


@irl.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), help="Write the whole result as JSON.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the course as PNG.")
@plain_errors
def replay(log: Path, report: Path | None, plot: Path | None) -> None:
    """Run an access log through the limiter in virtual time and tell what would have happened.

    LOG is in Common or Combined Log Format or CSV with a header, plain or gzip.
    """
    from flask_irl.replay.logs import LogReader
    from flask_irl.replay.plot import check_plottable
    from flask_irl.replay.plot import plot as draw
    from flask_irl.replay.report import check_writable, summary_lines
    from flask_irl.replay.routes import RouteFolder
    from flask_irl.replay.runner import Replay

    reader = LogReader(log)
    if report is not None:
        check_writable(report)
    if plot is not None:
        check_plottable(plot)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    state = state_of(app)
    run = Replay(state.options, route=RouteFolder(app.url_map).route, plan=planner(app, state))
    # What the limiter would have logged is in the report.
    with (
        closing(run),
        only_errors(),
        click.progressbar(length=max(reader.bytes_total, 1), label="Replaying") as bar,
    ):
        for entry in reader:
            run.one(entry)
            if not run.requests % 500:
                bar.update(max(0, reader.bytes_read - bar.pos))
        bar.update(max(0, bar.length - bar.pos) if bar.length else 0)
    found = run.report(reader.unreadable_lines)
    for line in summary_lines(found):
        click.echo(line)
    for example in reader.unreadable_examples:
        click.echo(
            f"line {example.number} can't be read: {example.reason}: {example.text}", err=True
        )
    for note in (reader.problem, run.untrained and f"no model was trained: {run.untrained}"):
        if note:
            click.echo(f"note: {note}", err=True)
    if report is not None:
        found.write(report)
        click.echo(f"report written to {report}")
    if plot is not None:
        draw(found, run.series, plot)
        click.echo(f"picture written to {plot}")


def planner(app: Flask, state: AppState) -> Callable[[Limiter, str, str], Plan | None]:
    """Plans of the app's own routes where a log's request fits one, else the limit on everything.

    A limit that depends on the request (a callable) can't be known from a log and is left out.
    """
    rules: dict[str, list[Rule]] = {}
    for rule in app.url_map.iter_rules():
        rules.setdefault(rule.rule, []).append(rule)
    plans: dict[tuple[int, int, str, str], Plan | None] = {}

    def plan(limiter: Limiter, label: str, method: str) -> Plan | None:
        key = (id(limiter), limiter.plans.generation, label, method)
        if key not in plans:
            # Several rules may have one text, each for methods of its own.
            rule = next((r for r in rules.get(label, ()) if _serves(r, method)), None)
            plans[key] = state.fixed_plan(limiter, state.routes.route(app, rule, method))
        return plans[key]

    return plan


def _serves(rule: Rule, method: str) -> bool:
    return rule.methods is None or method in rule.methods
