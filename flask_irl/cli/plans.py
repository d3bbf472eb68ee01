"""Offer the operations on rate plans as commands."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from flask_irl.cli.client_page import plan_note
from flask_irl.cli.clients import because, surely
from flask_irl.cli.group import as_json, fail, irl, operations, operator, plain_errors
from flask_irl.cli.ids import ClientCommand, by_api_key, check_seen
from flask_irl.cli.output import plain, print_change, print_record, print_table, when
from flask_irl.cli.times import for_a_time

CONFIGURED = "configured"
CHANGES = {"--for": "seconds", "--until": "until", "--reason": "reason", "--yes": "yes"}
"""Options of an assignment, with the names that the command knows them by."""


@irl.command()
@click.argument("changes", nargs=-1, metavar="[NAME=LIMITS]...")
@click.option("--default", "default_plan", metavar="NAME", help="Make it the default plan.")
@click.option("--clients", is_flag=True, help="List the clients that are assigned a plan instead.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many."
)
@as_json
@plain_errors
def plans(
    changes: tuple[str, ...],
    default_plan: str | None,
    clients: bool,
    limit: int,
    json_: bool,
) -> None:
    """Show the plans, or change them in all workers. For example 'pro=900/minute;30000/day';
    pro=configured takes a change back, and removes a plan that isn't configured. Plans that aren't
    named stay."""
    on_plans = operations().plans
    if clients:
        print_table(on_plans.assigned(limit=limit)[0], json_)
        return
    wanted: dict[str, Any] = {}
    if changes:
        wanted["plans"] = dict(map(_change, changes))
    if default_plan is not None:
        wanted["default_plan"] = None if default_plan == CONFIGURED else default_plan
    result = on_plans.change(wanted, operator()) if wanted else on_plans.read()
    if json_:
        print_record(result, True)
        return
    print_table(result["plans"], False)
    click.echo(f"default plan: {result['default_plan'] or 'none, the base limit holds'}")


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@click.argument("plan", required=False)
@by_api_key
@click.option("--clear", is_flag=True, help="Take the client's assigned plan back.")
@because
@surely
@as_json
@plain_errors
@for_a_time
def plan(
    client_id: str,
    plan: str | None,
    clear: bool,
    seconds: float,
    reason: str,
    yes: bool,
    json_: bool,
) -> None:
    """Assign a client a plan for a time. It goes before the one that its key or the app gives it,
    and holds in all workers within two seconds. With --clear, take it back; exits with 1 if there
    is none. With neither, show the client's plan."""
    if plan is not None and clear:
        raise click.UsageError("give a plan, or --clear")
    on_site = operations()
    key = on_site.clients.key_of(client_id)
    if plan is None and not clear:
        _check_no_change()
        found = on_site.plans.of_client(client_id)
        told = "none, the base limit holds" if found is None else plan_note(found)
        print_change({"client": key, "plan": found}, f"plan of client {key}: {told}", json_)
        return
    if plan is None:
        if not on_site.plans.unassign(client_id, operator()):
            fail(f"client {key} is assigned no plan")
        sentence = f"client {key} has the plan again that its key or the app gives it"
        print_change({"client": key, "removed": True}, sentence, json_)
        return
    if not yes:
        check_seen(on_site.clients, client_id)
    entry = on_site.plans.assign(client_id, plan, seconds=seconds, reason=reason, who=operator())
    sentence = f"client {entry['client']} has the plan {plan} until {when(entry['until'])}"
    print_change(entry, sentence, json_)


def _check_no_change() -> None:
    """Check that nothing is given that only an assignment has."""
    context = click.get_current_context()
    for option, name in CHANGES.items():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"{option} is of no use without a plan: give one")


def _change(argument: str) -> tuple[str, str | None]:
    name, equals, limits = argument.partition("=")
    if not equals:
        raise click.BadParameter(
            f"{plain(argument)} is none: give NAME=LIMITS", param_hint="NAME=LIMITS"
        )
    return name, None if limits == CONFIGURED else limits
