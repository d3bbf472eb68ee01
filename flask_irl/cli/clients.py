"""The commands on clients, each one of :class:`~flask_irl.operations.Operations`."""

from __future__ import annotations

from typing import Any

import click

from flask_irl.cli.group import (
    as_json,
    done,
    fail,
    irl,
    operations,
    plain_errors,
    show,
    table,
    when,
    who,
)
from flask_irl.limits.keys import canonical
from flask_irl.operations import FEEDBACK, ORDERS

HOUR = 3600.0
for_seconds = click.option(
    "--seconds", type=float, default=HOUR, show_default=True, help="For how long."
)
because = click.option("--reason", default="", help="Why, for the audit log.")


@irl.command()
@click.option("--order", type=click.Choice(ORDERS), default="active", show_default=True)
@click.option("--step", type=click.IntRange(0, 127), help="Only those at this step.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json
@plain_errors
def clients(order: str, step: int | None, limit: int, json_: bool) -> None:
    """Show the clients that are most active, most anomalous, refused most, flagged, or overridden
    by an operator."""
    found, _ = operations().clients(order=order, step=step, limit=limit)
    table(found, json_)


@irl.command()
@click.argument("client_id")
@as_json
@plain_errors
def client(client_id: str, json_: bool) -> None:
    """Show what is known of a client, and why it scores so; exits with 1 if nothing is."""
    hands = operations()
    found = hands.client(hands.key_of(client_id))
    if found is None:
        fail(
            f"client {canonical(client_id)} is not known: it has not been here for a while, "
            "or never"
        )
    if json_:
        show(found, True)
        return
    features, rules, why = found.pop("features"), found.pop("rules"), found.pop("why")
    show(found, False)
    for rule in rules:
        click.echo(f"rule: {rule}")
    for number, reason in enumerate(why, 1):
        click.echo(f"why {number}: {reason['sentence']}")
    click.echo()
    show(features, False)


@irl.command()
@click.argument("client_id")
@as_json
@plain_errors
def reset(client_id: str, json_: bool) -> None:
    """Forget a client: its counts, its profile and its step; exits with 1 if it isn't known."""
    hands = operations()
    key = hands.key_of(client_id)
    if not hands.reset(key, who()):
        fail(f"client {key} is not known: there is nothing to forget")
    done({"client": key, "reset": True}, f"client {key} is forgotten", json_)


@irl.command()
@click.argument("client_id")
@for_seconds
@because
@as_json
@plain_errors
def block(client_id: str, seconds: float, reason: str, json_: bool) -> None:
    """Refuse every request of a client for a time; holds in all workers at once."""
    entry = _override(client_id, "block", 0, seconds, reason)
    done(entry, f"client {entry['client']} is blocked until {when(entry['until'])}", json_)


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
    done(entry, f"client {entry['client']} passes until {when(entry['until'])}", json_)


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
    done(
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
    hands = operations()
    key = hands.key_of(client_id)
    if not hands.clear_override(key, who()):
        fail(f"client {key} is neither blocked nor let pass nor given a limit")
    done({"client": key, "removed": True}, f"client {key} is left to the limiter again", json_)


@irl.command()
@click.argument("client_id")
@click.argument("verdict", type=click.Choice(list(FEEDBACK)))
@as_json
@plain_errors
def feedback(client_id: str, verdict: str, json_: bool) -> None:
    """Note that a client is good (only limits and rules hold for it, no model's word) or an abuser,
    for models to learn from; exits with 1 if it isn't known."""
    hands = operations()
    key = hands.key_of(client_id)
    if not hands.feedback(key, verdict, who()):
        fail(f"client {key} is not known: there is nothing to note that with")
    done({"client": key, "verdict": verdict}, f"client {key} is noted as {verdict}", json_)


def _override(
    client_id: str, kind: str, amount: int, seconds: float, reason: str
) -> dict[str, Any]:
    hands = operations()
    key = hands.key_of(client_id)
    return hands.set_override(key, kind, amount=amount, seconds=seconds, reason=reason, who=who())
