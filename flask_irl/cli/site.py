"""Offer the operations on the site as a whole as commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
from flask import current_app

from flask_irl.cli.group import as_json, fail, irl, operations, operator, plain_errors, state
from flask_irl.cli.output import plain, print_change, print_record, print_table, text
from flask_irl.config.values import OFF
from flask_irl.operations.results import AuditEntry
from flask_irl.web.state import state_of

CONFIGURED = "configured"


@irl.command()
@click.argument("mode", type=click.Choice(["enforce", "shadow", "off"]), required=False)
@as_json
@plain_errors
def mode(mode: str | None, json_: bool) -> None:
    """Show the mode, or change it in all workers. It is enforce, shadow (refuse nobody on the
    model's word) or off (static limits alone)."""
    site = operations().site
    if mode is None:
        current = site.mode()
        print_change({"mode": current}, current, json_)
        return
    change = site.set_mode(mode, operator())
    print_change(change, f"mode is {change['mode']}, was {change['before']}", json_)


@irl.command()
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]...")
@as_json
@plain_errors
def limits(changes: tuple[str, ...], json_: bool) -> None:
    """Show the limits, or change them in all workers. For example base_limit=200
    anomalous_factor=0.5 further_factors=0.1,0; base_limit=configured takes a change back. The
    limits that routes have of their own are shown below."""
    site = operations().site
    result = site.set_limits(dict(map(_change, changes)), operator()) if changes else site.limits()
    routes = state().described_routes(current_app)
    if json_:
        print_record({**result, "routes": routes}, True)
        return
    off = result["base_limit"] is None
    shares = [(step["limit"], f"{step['factor']:.0%}") for step in result["steps"]]
    steps = [share if off else f"{limit} ({share})" for limit, share in shares]
    shown = {**result, "base_limit": OFF if off else result["base_limit"], "steps": steps}
    print_record(shown, False)
    click.echo()
    _print_routes(routes)


@irl.command()
@as_json
@plain_errors
def tenants(json_: bool) -> None:
    """Show the app's tenants, for --tenant. Exits with 1 if it has none."""
    found = state_of(current_app).tenants
    if found is None:
        fail("the app has no tenants: tenant_of isn't given")
    print_table([{"tenant": name} for name in found.limiters.names()], json_)


@irl.command()
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
@as_json
@plain_errors
def audit(limit: int, json_: bool) -> None:
    """Show the latest changes that operators made."""
    entries = operations().audit.entries(limit=limit)[0]
    if json_ or not entries:
        print_table(entries, json_)
    else:
        _print_changes(entries)


def _print_changes(entries: Sequence[AuditEntry]) -> None:
    """Print changes: a line each, and below it what was changed and why."""
    heads = [
        (text(entry["at"], "at"), *(plain(entry[name] or "-") for name in ("who", "action")))
        for entry in entries
    ]
    widths = [max(map(len, column)) for column in zip(*heads, strict=True)]
    for entry, head in zip(entries, heads, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(head, widths, strict=True))
        click.echo("  ".join((*cells, plain(entry["target"]))).rstrip())
        parts = [
            f"{word} {text(value)}"
            for word, value in (("was", entry["before"]), ("is", entry["after"]))
            if value
        ]
        if entry["reason"]:
            parts.append(f"reason: {plain(entry['reason'])}")
        if parts:
            click.echo(f"  {'; '.join(parts)}")


def _print_routes(routes: Sequence[Mapping[str, Any]]) -> None:
    """Print the routes that have limits of their own or none at all, and count the others."""
    rows = [
        {
            "route": route["route"],
            "methods": route["methods"],
            "limits": "exempt" if route["exempt"] else route["limits"],
        }
        for route in routes
        if route["exempt"] or route["limits"]
    ]
    if rows:
        print_table(rows, False)
    others = len(routes) - len(rows)
    if others:
        besides = "other routes have" if rows else "routes have"
        one = besides.replace("routes have", "route has")
        click.echo(f"{others} {one if others == 1 else besides} no limit besides the base limit")


def _change(argument: str) -> tuple[str, Any]:
    name, equals, value = argument.partition("=")
    if not equals:
        raise click.BadParameter(
            f"{plain(argument)} is none: give NAME=VALUE", param_hint="NAME=VALUE"
        )
    return name, None if value == CONFIGURED else value
