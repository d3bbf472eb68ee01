"""Offer the operations on models as commands."""

from __future__ import annotations

import click

from flask_irl.cli.group import as_json, fail, irl, operations, operator, plain_errors
from flask_irl.cli.output import print_change, print_record, print_table


@irl.command()
@as_json
@plain_errors
def train(json_: bool) -> None:
    """Train a model now on what was observed. Exits with 1 if none came of it."""
    training = operations().models.train(operator())
    print_record(
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
    """Show the model in force. Exits with 1 if there is none yet."""
    result = operations().models.describe()
    if not result["trained"]:
        fail("no model is in force yet: static limits apply until the first training")
    print_record(
        {
            "version": result["version"],
            "detector": result["kind"],
            "trained_at": result["trained_at"],
            "rows": result["rows"],
            "clients": result["clients"],
            "requests": result["requests"],
            "advisory": result["advisory"],
            "threshold": result["threshold"],
            "schema": result["schema"],
            "features": [feature["name"] for feature in result["features"]],
            "gate": result["gate"],
            "versions": result["versions"],
        },
        json_,
    )


@irl.command()
@as_json
@plain_errors
def models(json_: bool) -> None:
    """Show the models kept, newest first."""
    print_table(operations().models.versions(), json_)


@irl.command()
@click.argument("version", type=click.IntRange(1))
@as_json
@plain_errors
def rollback(version: int, json_: bool) -> None:
    """Put a kept model in force. Exits with 1 if there is no such version."""
    entry = operations().models.activate(version, operator())
    if entry is None:
        fail(f"there is no model {version}: see the command models")
    sentence = f"model {version} is in force; other workers load it within two seconds"
    print_change(entry, sentence, json_)
