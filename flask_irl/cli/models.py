"""Offer the operations on models as commands."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import click

from flask_irl.cli.group import as_json, fail, irl, operations, operator, plain_errors
from flask_irl.cli.output import plain, print_change, print_record, print_table, when

HOUR = 3600.0
SPANS = ((86_400.0, "d"), (HOUR, "h"), (60.0, "min"), (1.0, "s"))
because = click.option("--reason", default="", help="Why, for the audit log.")


class Moment(click.ParamType[float]):
    """Read a time in ISO 8601 with its zone, into seconds since the epoch."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            found = datetime.datetime.fromisoformat(value)
            if found.tzinfo is not None:
                return found.timestamp()
        except (ValueError, OverflowError):
            pass
        self.fail(f"{plain(value)} is none: give a time with its zone, as 2026-11-27T15:40:00Z")


@irl.command()
@as_json
@plain_errors
def train(json_: bool) -> None:
    """Train a model now on what was observed. Exits with 1 if none came of it. While a version is
    pinned, the new one is kept aside."""
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
    if training.result not in ("accepted", "kept_aside"):
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
            "pinned": result["pinned"],
            **({"shared": result["shared"]} if result["shared"] else {}),
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
    """Show the models kept, newest first. Of days before there are fewer."""
    entries = operations().models.versions()
    print_table(entries if json_ else [_row(entry) for entry in entries], json_)


@irl.command()
@click.argument("version", type=click.IntRange(1))
@click.option("--hours", type=float, help="Pin it for so many hours; without, until unpin.")
@click.option("--until", type=Moment(), help="Pin it until a time, as 2026-11-27T15:40:00Z.")
@because
@as_json
@plain_errors
def rollback(
    version: int, hours: float | None, until: float | None, reason: str, json_: bool
) -> None:
    """Put a kept model in force and pin it. Trainings go on, and their models are kept aside until
    the pin ends. Exits with 1 if there is no such version."""
    if hours is not None and until is not None:
        raise click.UsageError("give --hours or --until, not both")
    seconds = None if hours is None else hours * HOUR
    entry = operations().models.rollback(
        version, operator(), seconds=seconds, until=until, reason=reason
    )
    if entry is None:
        fail(f"there is no model {version}: see the command models")
    end = f"until {when(entry['until'])}" if entry["until"] else 'until "unpin"'
    sentence = (
        f"model {version} is in force and pinned {end}; other workers load it within two seconds"
    )
    print_change(entry, sentence, json_)


@irl.command()
@because
@as_json
@plain_errors
def unpin(reason: str, json_: bool) -> None:
    """Take a rollback's pin back. The model stays in force until the next training. Exits with 1 if
    no model is pinned."""
    result = operations().models.unpin(operator(), reason)
    if result is None:
        fail("no model is pinned")
    sentence = f"model {result['version']} is no longer pinned: the next training replaces it"
    print_change(result, sentence, json_)


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a kept model for people, in the order in which they ask."""
    age, share = entry.get("age_seconds"), entry.get("flagged_share")
    return {
        "version": entry["version"],
        "in_force": entry["in_force"],
        "pinned": entry["pinned"],
        "age": None if age is None else _span(age),
        "kind": entry.get("kind"),
        "rows": entry.get("rows"),
        "clients": entry.get("clients"),
        "gate": None if share is None else f"flags {share:.1%}",
        "advisory": entry.get("advisory"),
        "readable": entry["readable"],
    }


def _span(seconds: float) -> str:
    """Write a span of time in its largest unit."""
    length, unit = next((span for span in SPANS if seconds >= 2 * span[0]), SPANS[-1])
    return f"{seconds / length:.0f} {unit}"
