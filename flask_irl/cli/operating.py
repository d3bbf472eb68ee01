"""The commands of an operator, each one of :class:`~flask_irl.operations.Operations`."""

from __future__ import annotations

import click

from flask_irl.cli.group import (
    as_json,
    fail,
    irl,
    limiter,
    named,
    operations,
    plain_errors,
    show,
    table,
    when,
    who,
)
from flask_irl.keys import canonical
from flask_irl.operations import ORDERS

HOUR = 3600.0
for_seconds = click.option(
    "--seconds", type=float, default=HOUR, show_default=True, help="For how long."
)
because = click.option("--reason", default="", help="Why, for the audit log.")


@irl.command()
@as_json
@plain_errors
def status(json_: bool) -> None:
    """Show whether the store answers, what was counted, and which model is in force."""
    engine = limiter()
    engine.store.ping()
    engine.refresh()
    counts = engine.store.counts()
    requests, refused = counts.get("requests", 0), counts.get("refused", 0)
    model = engine.trainer.model
    show(
        {
            "mode": engine.mode,
            "strategy": engine.options.strategy,
            "base_limit": str(engine.options.base),
            "total_requests": requests,
            "refused": refused,
            "hit_rate": refused / requests if requests else 0.0,
            "training_rows": len(engine.store.rows()),
            "model_version": model.version,
            "model_trained_at": when(model.trained_at),
            "model_advisory": model.advisory,
        },
        json_,
    )


@irl.command()
@as_json
@plain_errors
def train(json_: bool) -> None:
    """Train a model now on what was observed; exits with 1 if none came of it."""
    training = operations().train(who())
    show(
        {
            "result": training.result,
            "reason": training.reason or None,
            "version": training.version,
            "rows": training.rows,
            "clients": training.clients,
            "requests": training.requests,
            "seconds": training.seconds,
        },
        json_,
    )
    if training.result != "accepted":
        raise click.exceptions.Exit(1)


@irl.command()
@click.option("--order", type=click.Choice(ORDERS), default="active", show_default=True)
@click.option("--step", type=click.IntRange(0, 127), help="Only those at this step.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json
@plain_errors
def clients(order: str, step: int | None, limit: int, json_: bool) -> None:
    """Show the clients that are most active, most anomalous, refused most, or flagged."""
    found, _ = operations().clients(order=order, step=step, limit=limit)
    table(found, json_)


@irl.command()
@click.argument("client_id")
@as_json
@plain_errors
def client(client_id: str, json_: bool) -> None:
    """Show what is known of a client, and why it scores so; exits with 1 if nothing is."""
    hands = operations()
    found = hands.client(named(hands, client_id))
    if found is None:
        fail(
            f"client {canonical(client_id)} is not known: it has not been here for a while, "
            "or never"
        )
    features, why, rules = found.pop("features"), found.pop("why"), found.pop("rules")
    override = found.pop("override")
    found["override"] = override["kind"] if override else None
    if json_:
        show({**found, **features, "rules": rules, "why": why}, True)
        return
    show(
        {**found, **{name: round(value, 4) for name, value in features.items()}},
        False,
    )
    for rule in rules:
        click.echo(f"rule: {rule}")
    for number, reason in enumerate(why, 1):
        click.echo(f"why {number}: {reason['sentence']}")


@irl.command()
@click.argument("client_id")
@plain_errors
def reset(client_id: str) -> None:
    """Forget a client: its counts, its profile and its step; exits with 1 if it isn't known."""
    hands = operations()
    key = named(hands, client_id)
    if not hands.reset(key, who()):
        fail(f"client {key} is not known: there is nothing to forget")
    click.echo(f"client {key} is forgotten")


@irl.command()
@click.argument("client_id")
@for_seconds
@because
@plain_errors
def block(client_id: str, seconds: float, reason: str) -> None:
    """Refuse every request of a client for a time; holds in all workers at once."""
    hands = operations()
    entry = hands.set_override(
        named(hands, client_id), "block", amount=0, seconds=seconds, reason=reason, who=who()
    )
    click.echo(f"client {entry['client']} is blocked until {when(entry['until'])}")


@irl.command()
@click.argument("client_id")
@for_seconds
@because
@plain_errors
def allow(client_id: str, seconds: float, reason: str) -> None:
    """Let a client pass without limit for a time; holds in all workers at once, but one that is
    refusing it at the moment may go on for up to two seconds."""
    hands = operations()
    entry = hands.set_override(
        named(hands, client_id), "allow", amount=0, seconds=seconds, reason=reason, who=who()
    )
    click.echo(f"client {entry['client']} passes until {when(entry['until'])}")


@irl.command()
@click.argument("client_id")
@plain_errors
def unset(client_id: str) -> None:
    """Take a block or an allowance back; exits with 1 if there is none."""
    hands = operations()
    key = named(hands, client_id)
    if not hands.clear_override(key, who()):
        fail(f"client {key} is neither blocked nor let pass")
    click.echo(f"client {key} is left to the limiter again")


@irl.command()
@as_json
@plain_errors
def model(json_: bool) -> None:
    """Show the model in force; exits with 1 if there is none yet."""
    found = operations().model_info()
    if not found["trained"]:
        fail("no model is in force yet: static limits apply until the first training")
    show(
        {
            "version": found["version"],
            "detector": found["kind"],
            "trained_at": when(found["trained_at"]),
            "rows": found["rows"],
            "clients": found["clients"],
            "requests": found["requests"],
            "advisory": found["advisory"],
            "threshold": found["threshold"],
            "schema": found["schema"],
            "features": [feature["name"] for feature in found["features"]],
            "gate": found["gate"],
            "versions": found["versions"],
        },
        json_,
    )


@irl.command()
@as_json
@plain_errors
def models(json_: bool) -> None:
    """Show the models kept, newest first."""
    table(operations().models(), json_)


@irl.command()
@click.argument("version", type=click.IntRange(1))
@plain_errors
def rollback(version: int) -> None:
    """Put a kept model in force; exits with 1 if there is no such version."""
    if operations().activate(version, who()) is None:
        fail(f"there is no model {version}: see the command models")
    click.echo(f"model {version} is in force; other workers load it within seconds")


@irl.command()
@click.argument("mode", type=click.Choice(["enforce", "shadow", "off"]), required=False)
@plain_errors
def mode(mode: str | None) -> None:
    """Show the mode, or change it in all workers: enforce, shadow (refuse nobody on the model's
    word) or off (static limits alone)."""
    if mode is None:
        click.echo(operations().mode())
        return
    changed = operations().set_mode(mode, who())
    click.echo(f"mode is {changed['mode']}, was {changed['before']}")


@irl.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json
@plain_errors
def audit(limit: int, json_: bool) -> None:
    """Show the latest changes that operators made."""
    table(operations().audit(limit=limit)[0], json_)
