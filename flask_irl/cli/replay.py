"""Replay an access log in virtual time: ``flask irl replay``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import current_app

from flask_irl.cli.group import irl, plain_errors
from flask_irl.cli.output import draw
from flask_irl.telemetry.log import only_errors
from flask_irl.web.replay_plans import logins_for_log, plans_for_log
from flask_irl.web.state import state_of

if TYPE_CHECKING:
    from flask_irl.replay.logs import LogReader
    from flask_irl.training.fit import Fit

PROGRESS_REQUESTS = 500


@irl.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), help="Write the whole result as JSON.")
@click.option(
    "--format",
    "format_",
    metavar="NAME",
    help="Format of the log (default: guessed). A wrong name lists all.",
)
@click.option(
    "--client-from",
    metavar="WHERE",
    help="Where the client's address is (default: guessed): peer, xff, xff:first, xff:last, xff:N,"
    " real-ip, the number of an address in the line, or the name of a field.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Draw requests and refusals over time, as PNG."
)
@plain_errors
def replay(
    log: Path,
    report: Path | None,
    plot: Path | None,
    format_: str | None,
    client_from: str | None,
) -> None:
    """Run an access log through the limiter in virtual time.

    Tells what would have happened: who would have been refused and flagged, and when. LOG is an
    access log of a web server, proxy or load balancer, or CSV with a header, plain or gzip. Its
    format is guessed, and shown before the replay begins.
    """
    from flask_irl.replay.files import check_writable
    from flask_irl.replay.logs import LogReader
    from flask_irl.training.fit_aside import FitAside

    reader = LogReader(log, format=format_ or "", client_from=client_from or "")
    if report is not None:
        check_writable(report)
    with closing(FitAside()) as fit:
        # First of all: until the first training it has a lot to load.
        fit.start()
        _replay(reader, fit, report, plot, guessed=not format_)


def _replay(
    reader: LogReader, fit: Fit, report: Path | None, plot: Path | None, *, guessed: bool
) -> None:
    from flask_irl.replay.plot import check_plottable
    from flask_irl.replay.plot import plot as draw_plot
    from flask_irl.replay.routes import RouteFolder
    from flask_irl.replay.runner import Replay
    from flask_irl.replay.summary import describe, doubts, summarize

    if plot is not None:
        check_plottable(plot)
    click.echo(f"{'guessed' if guessed else 'read'}: {reader.description}", err=True)
    draw(describe(reader.examples), err=True)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    state = state_of(app)
    run = Replay(
        state.options,
        route=RouteFolder(app.url_map).route,
        plan=plans_for_log(app, state),
        login=logins_for_log(app, state),
        fit=fit,
    )
    # The report has all that the limiter would log.
    with (
        closing(run),
        only_errors(),
        click.progressbar(length=max(reader.bytes_total, 1), label="Replaying") as bar,
    ):
        for entry in reader:
            run.one(entry)
            if not run.requests % PROGRESS_REQUESTS:
                bar.update(max(0, reader.bytes_read - bar.pos))
        bar.update(max(0, bar.length - bar.pos) if bar.length else 0)
    result = run.report(reader.unreadable_lines, reader.server_answered)
    draw(*summarize(result))
    for example in reader.unreadable_examples:
        click.echo(
            f"line {example.number} can't be read: {example.reason}: {example.text}", err=True
        )
    untrained = run.untrained and f"no model was trained: {run.untrained}"
    for note in (*doubts(result), reader.problem, untrained):
        if note:
            click.echo(f"note: {note}", err=True)
    if report is not None:
        result.write(report)
        click.echo(f"report written to {report}")
    if plot is not None:
        draw_plot(result, run.series, plot)
        click.echo(f"picture written to {plot}")
