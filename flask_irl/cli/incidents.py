"""List attacks as incidents: ``flask irl incidents``."""

from __future__ import annotations

import click

from flask_irl.campaigns.incident import KEPT
from flask_irl.cli.group import as_json, irl, operations, plain_errors
from flask_irl.cli.output import print_table
from flask_irl.operations.incidents import COLUMNS
from flask_irl.operations.spreadsheet import as_csv


@irl.command()
@click.option(
    "--limit", type=click.IntRange(1, KEPT), default=20, show_default=True, help="How many."
)
@click.option("--csv", "csv_", is_flag=True, help="Print CSV.")
@as_json
@plain_errors
def incidents(limit: int, csv_: bool, json_: bool) -> None:
    """List attacks, the latest first. It tells when, what kind, how many clients, and what they
    got."""
    if csv_ and json_:
        raise click.UsageError("give --csv or --json, not both")
    found, _ = operations().incidents(limit=limit)
    if csv_:
        click.echo(as_csv(found, COLUMNS), nl=False)
    elif json_:
        print_table(found, True)
    else:
        shown = [name for name in COLUMNS if name not in ("kind", "examples")]
        print_table([{name: one[name] for name in shown} for one in found], False)  # type: ignore[literal-required]
