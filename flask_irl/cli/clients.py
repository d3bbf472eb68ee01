"""Offer the operations on single clients as commands."""

from __future__ import annotations

import click

from flask_irl.cli.client_page import print_client
from flask_irl.cli.client_table import print_clients
from flask_irl.cli.group import as_json, fail, irl, operations, operator, plain_errors
from flask_irl.cli.output import plain, print_change, print_record, when
from flask_irl.limits.keys import canonical
from flask_irl.operations import FEEDBACK, MAX_FOUND, ORDERS
from flask_irl.operations.results import ClientOverride

HOUR = 3600.0
MAX_NAMED = 5
"""Routes that a note names."""
for_seconds = click.option(
    "--seconds", type=float, default=HOUR, show_default=True, help="For how long."
)
wide_lines = click.option("--wide", is_flag=True, help="Show all members, in lines of any length.")
because = click.option("--reason", default="", help="Why, for the audit log.")


@irl.command()
@click.option("--order", type=click.Choice(ORDERS), default="active", show_default=True)
@click.option("--step", type=click.IntRange(0, 127), help="Only those at this step.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@wide_lines
@as_json
@plain_errors
def clients(order: str, step: int | None, limit: int, wide: bool, json_: bool) -> None:
    """Show the clients that are most active, most anomalous, refused most, flagged, or overridden
    by an operator, as of now."""
    entries, _ = operations().clients.ranked(order=order, step=step, limit=limit)
    print_clients(entries, json_, wide=wide)


@irl.command()
@click.argument("text", default="")
@click.option("--route", default="", help="Only who asks for this route, such as 'POST /login'.")
@click.option("--order", type=click.Choice(ORDERS), default="active", show_default=True)
@click.option("--step", type=click.IntRange(0, 127), help="Only those at this step.")
@click.option("--all", "everybody", is_flag=True, help="Search all clients, not the ranked ones.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@wide_lines
@as_json
@plain_errors
def find(
    text: str,
    route: str,
    order: str,
    step: int | None,
    everybody: bool,
    limit: int,
    wide: bool,
    json_: bool,
) -> None:
    """Find clients by the beginning of their ids, by a network such as 203.0.113.0/24, or by a
    route.

    Searches the ranked clients, up to a thousand of each order; with --all, all that are known, in
    small steps. With --route, those that ask for it most come first. Exits with 1 without any.
    """
    if not text.strip() and not route.strip():
        raise click.UsageError("give the beginning of an id, a network, or --route")
    on_clients = operations().clients
    beside = on_clients.same_group(route) if route else []
    entries, total = on_clients.find(
        text, route=route, order=order, step=step, everybody=everybody, limit=limit
    )
    if beside:
        names = ", ".join(map(plain, beside[:MAX_NAMED]))
        more = f" and {len(beside) - MAX_NAMED} more" if len(beside) > MAX_NAMED else ""
        click.echo(f"note: counted together with this route: {names}{more}", err=True)
    if not entries:
        fail("no client is found" if everybody else "no ranked client is found; try --all")
    print_clients(entries, json_, wide=wide)
    if total > len(entries):
        end = " or more" if everybody and total >= MAX_FOUND else ""
        click.echo(f"note: {len(entries)} of {total}{end}; --limit shows more", err=True)


@irl.command()
@click.argument("client_id")
@click.option("--wide", is_flag=True, help="Show the features that the model sees, too.")
@as_json
@plain_errors
def client(client_id: str, wide: bool, json_: bool) -> None:
    """Show what is known of a client, and why it scores so; exits with 1 if nothing is."""
    on_clients = operations().clients
    result = on_clients.describe(on_clients.key_of(client_id))
    if result is None:
        fail(
            f"client {canonical(client_id)} is not known: it has not been here for a while, "
            "or never"
        )
    if json_:
        print_record(result, True)
    else:
        print_client(result, wide=wide)


@irl.command()
@click.argument("client_id", required=False)
@click.option("--all", "everybody", is_flag=True, help="Forget all clients instead of one.")
@as_json
@plain_errors
def reset(client_id: str | None, everybody: bool, json_: bool) -> None:
    """Forget a client, or all of them: counts, profiles and steps; exits with 1 if it isn't known.
    What operators set for single clients stays."""
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


@irl.command()
@click.argument("client_id")
@for_seconds
@because
@as_json
@plain_errors
def block(client_id: str, seconds: float, reason: str, json_: bool) -> None:
    """Refuse every request of a client for a time; holds in all workers at once."""
    entry = _override(client_id, "block", 0, seconds, reason)
    print_change(entry, f"client {entry['client']} is blocked until {when(entry['until'])}", json_)


@irl.command()
@click.argument("client_id")
@for_seconds
@because
@as_json
@plain_errors
def allow(client_id: str, seconds: float, reason: str, json_: bool) -> None:
    """Let a client pass without limit for a time; holds in all workers at once, but one that is
    refusing it at the moment may go on for up to two seconds."""
    entry = _override(client_id, "allow", 0, seconds, reason)
    print_change(entry, f"client {entry['client']} passes until {when(entry['until'])}", json_)


@irl.command()
@click.argument("client_id")
@click.argument("amount", type=click.IntRange(1))
@for_seconds
@because
@as_json
@plain_errors
def limit(client_id: str, amount: int, seconds: float, reason: str, json_: bool) -> None:
    """Give a client AMOUNT requests per window for a time, whatever the model says; holds in all
    workers at once, but one that is refusing it at the moment may go on for up to two seconds."""
    entry = _override(client_id, "limit", amount, seconds, reason)
    print_change(
        entry,
        f"client {entry['client']} has a limit of {amount} until {when(entry['until'])}",
        json_,
    )


@irl.command()
@click.argument("client_id")
@as_json
@plain_errors
def unset(client_id: str, json_: bool) -> None:
    """Take a block, an allowance or a limit back; exits with 1 if there is none."""
    on_site = operations()
    key = on_site.clients.key_of(client_id)
    if not on_site.overrides.clear(key, operator()):
        fail(f"client {key} is neither blocked nor let pass nor given a limit")
    sentence = f"client {key} is left to the limiter again"
    print_change({"client": key, "removed": True}, sentence, json_)


@irl.command()
@click.argument("client_id")
@click.argument("verdict", type=click.Choice(list(FEEDBACK)))
@as_json
@plain_errors
def feedback(client_id: str, verdict: str, json_: bool) -> None:
    """Note that a client is good (only limits and rules hold for it, no model's word) or an abuser,
    for models to learn from; exits with 1 if it isn't known."""
    on_clients = operations().clients
    key = on_clients.key_of(client_id)
    if not on_clients.feedback(key, verdict, operator()):
        fail(f"client {key} is not known: there is nothing to note that with")
    print_change({"client": key, "verdict": verdict}, f"client {key} is noted as {verdict}", json_)


def _override(
    client_id: str, kind: str, amount: int, seconds: float, reason: str
) -> ClientOverride:
    on_site = operations()
    key = on_site.clients.key_of(client_id)
    return on_site.overrides.set(
        key, kind, amount=amount, seconds=seconds, reason=reason, who=operator()
    )
