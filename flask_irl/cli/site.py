"""The commands on the site as a whole, each one of
:class:`~flask_irl.operations.Operations`."""

from __future__ import annotations

from typing import Any

import click

from flask_irl.cli.group import (
    as_json,
    done,
    irl,
    limiter,
    operations,
    plain,
    plain_errors,
    show,
    table,
    when,
    who,
)

CONFIGURED = "configured"


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
@click.argument("mode", type=click.Choice(["enforce", "shadow", "off"]), required=False)
@as_json
@plain_errors
def mode(mode: str | None, json_: bool) -> None:
    """Show the mode, or change it in all workers: enforce, shadow (refuse nobody on the model's
    word) or off (static limits alone)."""
    if mode is None:
        found = operations().mode()
        done({"mode": found}, found, json_)
        return
    changed = operations().set_mode(mode, who())
    done(changed, f"mode is {changed['mode']}, was {changed['before']}", json_)


@irl.command()
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]...")
@as_json
@plain_errors
def limits(changes: tuple[str, ...], json_: bool) -> None:
    """Show the limits, or change them in all workers, such as base_limit=200 anomalous_factor=0.5
    further_factors=0.1,0; base_limit=configured takes a change back."""
    hands = operations()
    found = hands.set_limits(dict(map(_change, changes)), who()) if changes else hands.limits()
    if not json_:
        found["steps"] = [f"{step['limit']} ({step['factor']:.0%})" for step in found["steps"]]
    show(found, json_)


def _change(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{plain(text)} is none: give NAME=VALUE", param_hint="NAME=VALUE")
    return name, None if value == CONFIGURED else value


@irl.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json
@plain_errors
def audit(limit: int, json_: bool) -> None:
    """Show the latest changes that operators made."""
    table(operations().audit(limit=limit)[0], json_)
