"""Report on the site's last days: ``flask irl report``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from flask_irl.cli.group import as_json, irl, operations, plain_errors
from flask_irl.cli.output import plain, print_record, print_table
from flask_irl.operations.mail import as_html, as_text
from flask_irl.operations.report import MOST_DAYS, Report
from flask_irl.operations.spreadsheet import as_csv

SHOWN: Final = 20
"""Clients that are shown to people."""
CLIENT_COLUMNS: Final = (
    *("client", "label", "group", "looks_like", "requests", "refused_by_app", "refused_by_limits"),
    *("refused_by_verdict", "refused_by_both", "flagged", "why"),
)
TITLES: Final[Mapping[str, str]] = {
    "refused_by_app": "app refused",
    "refused_by_limits": "limits refused",
    "refused_by_verdict": "verdict would",
    "refused_by_both": "both",
    "looks_like": "looks like",
}


@irl.command()
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=7,
    show_default=True,
    help="Days to report on, today included.",
)
@click.option("--csv", "csv_", is_flag=True, help="Print all refused clients as CSV.")
@click.option("--text", "text_", is_flag=True, help="Print a summary as a mail's body.")
@click.option("--html", "html_", is_flag=True, help="Print it as HTML.")
@as_json
@plain_errors
def report(days: int, csv_: bool, text_: bool, html_: bool, json_: bool) -> None:
    """Show who was refused: by the app, by this limiter, by both. The app's own refusals are those
    of Flask-Limiter, say; this limiter's count in shadow mode, too. Or print a summary of those
    days for a mail."""
    if csv_ + text_ + html_ + json_ > 1:
        raise click.UsageError("give one of --csv, --text, --html and --json")
    found = operations().report(days, 1000 if csv_ else 100)
    if json_:
        print_record(found, True)
    elif csv_:
        click.echo(as_csv(found["clients"], CLIENT_COLUMNS), nl=False)
    elif text_ or html_:
        write = as_text if text_ else as_html
        click.echo(write(found, operations().incidents()[0]), nl=False)
    else:
        _print(found)


def _print(found: Report) -> None:
    click.echo(plain(found["summary"]))
    if not found["clients"]:
        return
    click.echo()
    _print_rows(found["clients"][:SHOWN], ("client", *CLIENT_COLUMNS[2:]))
    left = len(found["clients"]) - SHOWN
    if left > 0:
        click.echo(f"{left} more: --csv and --json list them")
    _print_refused(found["routes"], "route")
    _print_refused(found["countries"], "country")


def _print_refused(members: Sequence[Mapping[str, Any]], name: str) -> None:
    """Print those of which requests were refused; nothing where none are."""
    counts = CLIENT_COLUMNS[5:8]
    refused = [member for member in members if any(member[count] for count in counts)]
    if refused:
        click.echo()
        _print_rows(refused[:SHOWN], (name, *CLIENT_COLUMNS[4:-1]))


def _print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    print_table([{TITLES.get(n, n): row[n] for n in columns} for row in rows], False)
