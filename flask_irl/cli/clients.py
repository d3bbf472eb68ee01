"""Offer the operations on single clients as commands."""

from __future__ import annotations

import click

from flask_irl.cli.client_page import print_client
from flask_irl.cli.client_table import print_clients
from flask_irl.cli.group import as_json, fail, irl, note, operations, operator, plain_errors
from flask_irl.cli.ids import (
    ClientCommand,
    by_api_key,
    check_seen,
    name_of,
    not_known,
    note_unseen_address,
)
from flask_irl.cli.output import print_change, print_record, when
from flask_irl.cli.times import for_a_time
from flask_irl.operations import COLUMNS, FEEDBACK, MAX_FOUND, ORDERS
from flask_irl.operations.results import ClientOverride

MAX_NAMED = 5
"""Routes that a note names."""
in_order = click.option(
    "--order", type=click.Choice(ORDERS), default="active", show_default=True, help="Which first."
)
at_step = click.option("--step", type=click.IntRange(0, 127), help="Only clients at this step.")
of_plan = click.option("--plan", help="Only clients that have this plan, or count under it.")
of_country = click.option(
    "--country", help="Only clients of this country, such as DE; needs country_file."
)
sorted_by = click.option(
    "--sort", type=click.Choice(COLUMNS), help="Sort by this column, the highest first."
)
lowest_first = click.option("--ascending", is_flag=True, help="With --sort: the lowest first.")
at_most = click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
wide_lines = click.option("--wide", is_flag=True, help="Show all members, in lines of any length.")
because = click.option("--reason", default="", help="Why, for the audit log.")
surely = click.option("--yes", is_flag=True, help="Don't ask about a client not seen yet.")


@irl.command()
@in_order
@at_step
@of_plan
@of_country
@sorted_by
@lowest_first
@at_most
@wide_lines
@as_json
@plain_errors
def clients(
    order: str,
    step: int | None,
    plan: str | None,
    country: str | None,
    sort: str | None,
    ascending: bool,
    limit: int,
    wide: bool,
    json_: bool,
) -> None:
    """Show clients, the most active first, or in another order. All figures are as of now. With
    --order overridden, networks too."""
    entries, total = operations().clients.ranked(
        order=order,
        step=step,
        plan=plan,
        country=country,
        sort=sort,
        ascending=ascending,
        limit=limit,
    )
    print_clients(entries, json_, wide=wide)
    _note_more(len(entries), total)


@irl.command()
@click.argument("text", default="")
@click.option("--route", default="", help="Only who asks for this route, such as 'POST /login'.")
@in_order
@at_step
@of_plan
@of_country
@sorted_by
@lowest_first
@click.option("--all", "everybody", is_flag=True, help="Search all clients, not the ranked ones.")
@at_most
@wide_lines
@as_json
@plain_errors
def find(
    text: str,
    route: str,
    order: str,
    step: int | None,
    plan: str | None,
    country: str | None,
    sort: str | None,
    ascending: bool,
    everybody: bool,
    limit: int,
    wide: bool,
    json_: bool,
) -> None:
    """Find clients by id, network or route. TEXT is the beginning of their ids, an address, or a
    network such as 203.0.113.0/24, whose own override is found with its clients.

    Searches the ranked clients, up to a thousand of each order; with --all, all that are known, in
    small steps. With --route, those that ask for it most come first. Exits with 1 without any.
    """
    if not text.strip() and not route.strip():
        raise click.UsageError("give the beginning of an id, a network, or --route")
    on_clients = operations().clients
    beside = on_clients.same_group(route) if route else []
    entries, total = on_clients.find(
        text,
        route=route,
        order=order,
        step=step,
        plan=plan,
        country=country,
        sort=sort,
        ascending=ascending,
        everybody=everybody,
        limit=limit,
    )
    if beside:
        more = f" and {len(beside) - MAX_NAMED} more" if len(beside) > MAX_NAMED else ""
        note(f"counted together with this route: {', '.join(beside[:MAX_NAMED])}{more}")
    if not entries:
        fail("no client is found" if everybody else "no ranked client is found; try --all")
    print_clients(entries, json_, wide=wide)
    _note_more(len(entries), total, " or more" if everybody and total >= MAX_FOUND else "")


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@by_api_key
@click.option("--wide", is_flag=True, help="Show the features that the model sees, too.")
@as_json
@plain_errors
def client(client_id: str, wide: bool, json_: bool) -> None:
    """Show what is known of a client, and why it scores so. Exits with 1 if nothing is known. Of
    a network, the override in force and all that it counted."""
    on_clients = operations().clients
    key = on_clients.key_of(client_id)
    result = on_clients.describe(key)
    if result is None:
        fail(not_known(key, "it has not been here for a while, or never"))
    if json_:
        print_record(result, True)
    else:
        print_client(result, operations().course(key), wide=wide)


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
        fail(not_known(key, "there is nothing to forget"))
    print_change({"client": key, "reset": True}, f"client {key} is forgotten", json_)


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@by_api_key
@because
@surely
@as_json
@plain_errors
@for_a_time
def block(client_id: str, seconds: float, reason: str, yes: bool, json_: bool) -> None:
    """Refuse every request of a client or network for a time. A network is given as 203.0.113.0/24.
    Holds in all workers within a second, for a network within two."""
    entry = _override(client_id, "block", 0, seconds, reason, yes)
    sentence = f"{name_of(entry['client'])} is blocked until {when(entry['until'])}"
    print_change(entry, sentence, json_)


@irl.command(cls=ClientCommand)
@click.argument("client_id")
@by_api_key
@because
@surely
@as_json
@plain_errors
@for_a_time
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
@because
@surely
@as_json
@plain_errors
@for_a_time
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
        fail(not_known(key, "there is nothing to note that with"))
    print_change({"client": key, "verdict": verdict}, f"client {key} is noted as {verdict}", json_)


def _note_more(shown: int, total: int, end: str = "") -> None:
    """Note that a list was cut at its limit."""
    if total > shown:
        note(f"{shown} of {total}{end}; --limit shows more")


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
