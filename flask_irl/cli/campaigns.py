"""Offer the operations on campaigns as commands."""

from __future__ import annotations

import click

from flask_irl.cli.group import as_json, fail, irl, operations, operator, plain_errors
from flask_irl.cli.output import print_change, print_table, when
from flask_irl.operations.campaigns import place_of


@irl.group(invoke_without_command=True)
@as_json
@click.pass_context
@plain_errors
def campaigns(context: click.Context, json_: bool) -> None:
    """Show the attacks of many clients that run, or end one."""
    if context.invoked_subcommand is None:
        print_table(operations().campaigns.running(), json_)


@campaigns.command()
@click.argument("campaign", metavar="ID")
@click.option("--reason", default="", help="Why, for the audit log.")
@as_json
@plain_errors
def end(campaign: str, reason: str, json_: bool) -> None:
    """End a campaign in all workers; for an hour none is named for the same."""
    result = operations().campaigns.end(campaign, operator(), reason)
    if result is None:
        fail(f"no campaign {campaign} runs: irl campaigns lists those that do")
    where = place_of(result["kind"], result["target"])
    until = when(result["until"])
    print_change(
        result,
        f"campaign {result['id']} {where} is ended; none is named for the same until {until}",
        json_,
    )
