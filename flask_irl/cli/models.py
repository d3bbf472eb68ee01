"""The commands on what was learned, each one of :class:`~flask_irl.operations.Operations`."""

from __future__ import annotations

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
@as_json
@plain_errors
def rollback(version: int, json_: bool) -> None:
    """Put a kept model in force; exits with 1 if there is no such version."""
    entry = operations().activate(version, who())
    if entry is None:
        fail(f"there is no model {version}: see the command models")
    done(entry, f"model {version} is in force; other workers load it within two seconds", json_)
