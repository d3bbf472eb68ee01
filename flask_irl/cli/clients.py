"""Offer the operations on single clients as commands."""

from __future__ import annotations

import click

from flask_irl.cli.group import as_json, fail, irl, operations, operator, plain_errors
from flask_irl.cli.ids import ClientCommand, by_api_key, check_seen, name_of, note_unseen_address
from flask_irl.cli.output import print_change, print_record, print_table, when
from flask_irl.limits.keys import canonical
from flask_irl.operations import FEEDBACK, ORDERS
from flask_irl.operations.results import ClientOverride
from flask_irl.stores.site import OVERRIDDEN

HOUR = 3600.0
DETAILS = ("features", "rules", "why")
"""Members of a client that get lines of their own."""
for_seconds = click.option(
    "--seconds", type=float, default=HOUR, show_default=True, help="For how long."
)
because = click.option("--reason", default="", help="Why, for the audit log.")
surely = click.option("--yes", is_flag=True, help="Don't ask about a client not seen yet.")


@irl.command()
@click.option(
    "--order", type=click.Choice(ORDERS), default="active", show_default=True, help="Which first."
)
@click.option("--step", type=click.IntRange(0, 127), help="Only clients at this step.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
@as_json
@plain_errors
def clients(order: str, step: int | None, limit: int, json_: bool) -> None:
    """Show clients, the most active first, or in another order."""
    entries, _ = operations().clients.ranked(order=order, step=step, limit=limit)
    # Reason and operator are told of the overridden alone.
    untold = set() if json_ or order == OVERRIDDEN else {"reason", "who"}
    print_table([{n: v for n, v in x.items() if n not in untold} for x in entries], json_)


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@by_api_key
@as_json
@plain_errors
def client(client_id: str, json_: bool) -> None:
    """Show what is known of a client, and why it scores so. Exits with 1 if nothing is known. Of
    a network, the override in force and all that it counted."""
    on_clients = operations().clients
    result = on_clients.describe(on_clients.key_of(client_id))
    if result is None:
        fail(
            f"client {canonical(client_id)} is not known: it has not been here for a while, "
            "or never"
        )
    if json_:
        print_record(result, True)
        return
    print_record({name: value for name, value in result.items() if name not in DETAILS}, False)
    for rule in result["rules"]:
        click.echo(f"rule: {rule}")
    for number, reason in enumerate(result["why"], 1):
        click.echo(f"why {number}: {reason['sentence']}")
    click.echo()
    print_record(result["features"], False)


@irl.command(cls=ClientCommand)
@click.argument("client_id", required=False)
@by_api_key
@click.option("--all", "everybody", is_flag=True, help="Forget all clients instead of one.")
@as_json
@plain_errors
def reset(client_id: str | None, everybody: bool, json_: bool) -> None:
    """Forget a client, or all: counts, profiles and steps. Exits with 1 if it isn't known. What
    operators set for single clients stays."""
    if (client_id is None) is not everybody:
        raise click.UsageError("give a client, or --all")
    on_clients = operations().clients
    if client_id is None:
        known = on_clients.reset_all(operator())
        print_change({"clients": known, "reset": True}, f"{known} clients are forgotten", json_)
        return
    key = on_clients.key_of(client_id)
    if not on_clients.reset(key, operator()):
        fail(f"client {key} is not known: there is nothing to forget")
    print_change({"client": key, "reset": True}, f"client {key} is forgotten", json_)


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@by_api_key
@for_seconds
@because
@surely
@as_json
@plain_errors
def block(client_id: str, seconds: float, reason: str, yes: bool, json_: bool) -> None:
    """Refuse every request of a client or network for a time. A network is given as 203.0.113.0/24.
    Holds in all workers at once, for a network within two seconds."""
    entry = _override(client_id, "block", 0, seconds, reason, yes)
    sentence = f"{name_of(entry['client'])} is blocked until {when(entry['until'])}"
    print_change(entry, sentence, json_)


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@by_api_key
@for_seconds
@because
@surely
@as_json
@plain_errors
def allow(client_id: str, seconds: float, reason: str, yes: bool, json_: bool) -> None:
    """Let a client or network pass without limit for a time. Holds in all workers at once, but one
    that is refusing it at the moment may go on for up to two seconds."""
    entry = _override(client_id, "allow", 0, seconds, reason, yes)
    sentence = f"{name_of(entry['client'])} passes until {when(entry['until'])}"
    print_change(entry, sentence, json_)


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@click.argument("amount", type=click.IntRange(1))
@by_api_key
@for_seconds
@because
@surely
@as_json
@plain_errors
def override(
    client_id: str, amount: int, seconds: float, reason: str, yes: bool, json_: bool
) -> None:
    """Give a client a limit of its own for a time. It has AMOUNT requests per window, whatever the
    model says; a network has them for all its clients together. Holds in all workers within two
    seconds."""
    entry = _override(client_id, "limit", amount, seconds, reason, yes)
    sentence = f"{name_of(entry['client'])} has a limit of {amount} until {when(entry['until'])}"
    print_change(entry, sentence, json_)


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@by_api_key
@as_json
@plain_errors
def clear(client_id: str, json_: bool) -> None:
    """Take back a block, an allowance or a limit. Exits with 1 if there is none."""
    on_site = operations()
    key = on_site.clients.key_of(client_id)
    if not on_site.overrides.clear(key, operator()):
        fail(f"{name_of(key)} is neither blocked nor let pass nor given a limit")
    sentence = f"{name_of(key)} is left to the limiter again"
    print_change({"client": key, "removed": True}, sentence, json_)


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@click.argument("verdict", type=click.Choice(list(FEEDBACK)))
@by_api_key
@as_json
@plain_errors
def feedback(client_id: str, verdict: str, json_: bool) -> None:
    """Note that a client is good or an abuser. Models learn from it, and for a good one only limits
    and rules hold, whatever the model says. Exits with 1 if it isn't known."""
    on_clients = operations().clients
    key = on_clients.key_of(client_id)
    if not on_clients.feedback(key, verdict, operator()):
        fail(f"client {key} is not known: there is nothing to note that with")
    print_change({"client": key, "verdict": verdict}, f"client {key} is noted as {verdict}", json_)


def _override(
    client_id: str, kind: str, amount: int, seconds: float, reason: str, yes: bool
) -> ClientOverride:
    on_site = operations()
    if not yes:
        check_seen(on_site.clients, client_id)
    entry = on_site.overrides.set(
        client_id, kind, amount=amount, seconds=seconds, reason=reason, who=operator()
    )
    note_unseen_address(entry)
    return entry
