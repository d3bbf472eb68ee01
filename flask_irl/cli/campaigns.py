"""Offer the operations on campaigns as a command."""

from __future__ import annotations

from typing import Literal

import click

from flask_irl.cli.group import as_json, fail, irl, operations, operator, plain_errors
from flask_irl.cli.output import print_change, print_table, when
from flask_irl.cli.times import for_a_time
from flask_irl.operations.campaign_clients import place_of


@irl.command()
@click.argument("action", type=click.Choice(["end"]), required=False)
@click.argument("campaign", metavar="[ID]", required=False)
@click.option("--reason", default="", help="Why it is ended, for the audit log.")
@as_json
@plain_errors
@for_a_time
def campaigns(
    action: Literal["end"] | None, campaign: str | None, seconds: float, reason: str, json_: bool
) -> None:
    """List attacks of many clients, or end one. It ends in all workers, clients that it alone holds
    have their full limit back, and for the time given no campaign is named for the same."""
    if action is None:
        print_table(operations().campaigns.running(), json_)
        return
    if campaign is None:
        raise click.UsageError("Missing argument 'ID': irl campaigns lists those that run")
    result = operations().campaigns.end(campaign, operator(), reason, seconds)
    if result is None:
        fail(f"no campaign {campaign} runs: irl campaigns lists those that do")
    where = place_of(result["kind"], result["target"])
    released = result["released"]
    freed = f", {released} clients have their full limit back" if released else ""
    print_change(
        result,
        f"campaign {result['id']} {where} is ended{freed}; none is named for the same until "
        f"{when(result['until'])}",
        json_,
    )
