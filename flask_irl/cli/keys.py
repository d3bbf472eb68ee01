"""Offer the operations on API keys as commands."""

from __future__ import annotations

from typing import Any, Final

import click

from flask_irl.api_keys.text import ENVIRONMENTS
from flask_irl.cli.group import (
    IrlGroup,
    as_json,
    fail,
    irl,
    note,
    operations,
    operator,
    plain_errors,
)
from flask_irl.cli.models import Moment
from flask_irl.cli.output import plain, print_change, print_record, print_table, when
from flask_irl.operations.api_key_results import ApiKeyResult, IssuedApiKey
from flask_irl.operations.api_keys import GRACE_SECONDS

SHOWN: Final = (
    *("prefix", "name", "owner", "scopes", "plan", "state"),
    *("expires_at", "last_used_at", "requests", "refused"),
)
NO_KEY: Final = "there is no such API key: irl keys list lists those that there are"

because = click.option("--reason", default="", help="Why, for the audit log.")
of_key = click.argument("key")
with_scopes = click.option("--scope", "scopes", multiple=True, help="May be given several times.")
on_plan = click.option("--plan", help="Its rate plan.")
ending = click.option(
    "--expires", type=Moment(), help="Its end, with a zone, as 2030-01-01T00:00:00Z."
)


@irl.group(cls=IrlGroup)
def keys() -> None:
    """Issue, list, rotate, change and revoke API keys."""


@keys.command("list")
@click.option("--prefix", default="", help="Only keys that begin with this.")
@click.option("--owner", default="", help="Only keys whose owners begin with this.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Skip so many.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
@as_json
@plain_errors
def list_keys(prefix: str, owner: str, offset: int, limit: int, json_: bool) -> None:
    """List API keys; those that have ended for thirty days more."""
    found, total = operations().api_keys.page(
        prefix=prefix, owner=owner, offset=offset, limit=limit
    )
    print_table(found if json_ else [_shown(each) for each in found], json_)
    if offset + len(found) < total:
        note(f"{total - offset - len(found)} more: --offset {offset + len(found)} shows them")


@keys.command()
@of_key
@as_json
@plain_errors
def show(key: str, json_: bool) -> None:
    """Show an API key, by its id or its prefix, and its uses."""
    print_record(_found(operations().api_keys.show(key)), json_)


@keys.command()
@click.argument("name")
@click.option("--owner", required=True, help="Whose it is.")
@with_scopes
@on_plan
@ending
@click.option(
    "--environment",
    type=click.Choice(ENVIRONMENTS),
    default="live",
    show_default=True,
    help="What it is for.",
)
@because
@as_json
@plain_errors
def issue(name: str, owner: str, json_: bool, **more: Any) -> None:
    """Issue an API key, and show its text, this once."""
    issued = operations().api_keys.issue(
        name=name,
        owner=owner,
        who=operator(),
        scopes=more["scopes"],
        plan=more["plan"],
        expires_at=more["expires"],
        environment=more["environment"],
        reason=more["reason"],
    )
    _print_issued(issued, json_)


@keys.command()
@of_key
@click.option(
    "--grace",
    type=float,
    default=GRACE_SECONDS,
    show_default=True,
    help="Seconds for which the text before is valid, too.",
)
@because
@as_json
@plain_errors
def rotate(key: str, grace: float, reason: str, json_: bool) -> None:
    """Give an API key a new text, and show it, this once."""
    rotated = operations().api_keys.rotate(key, who=operator(), grace_seconds=grace, reason=reason)
    _print_issued(_issued(rotated), json_)


@keys.command()
@of_key
@because
@as_json
@plain_errors
def revoke(key: str, reason: str, json_: bool) -> None:
    """Revoke an API key for good."""
    revoked = _found(operations().api_keys.revoke(key, who=operator(), reason=reason))
    print_change(revoked, f"key {revoked['prefix']} is revoked", json_)


@keys.command()
@of_key
@click.option("--name", help="Its name.")
@click.option("--owner", help="Whose it is.")
@with_scopes
@click.option("--no-scopes", is_flag=True, help="Take all its scopes away.")
@on_plan
@click.option("--no-plan", is_flag=True, help="Take its rate plan away.")
@ending
@click.option("--no-end", is_flag=True, help="Let it be valid for good.")
@because
@as_json
@plain_errors
def change(key: str, json_: bool, **more: Any) -> None:
    """Change an API key; scopes that are given replace those it has."""
    changes: dict[str, Any] = {
        name: more[name] for name in ("name", "owner", "plan") if more[name] is not None
    }
    if more["scopes"] or more["no_scopes"]:
        changes["scopes"] = () if more["no_scopes"] else more["scopes"]
    if more["no_plan"]:
        changes["plan"] = None
    if more["no_end"] or more["expires"] is not None:
        changes["expires_at"] = None if more["no_end"] else more["expires"]
    if not changes:
        raise click.UsageError("Nothing to change: irl keys change --help tells what can be")
    changed = operations().api_keys.change(key, changes, who=operator(), reason=more["reason"])
    print_record(_found(changed), json_)


def _found(key: ApiKeyResult | None) -> ApiKeyResult:
    if key is None:
        fail(NO_KEY)
    return key


def _issued(key: IssuedApiKey | None) -> IssuedApiKey:
    if key is None:
        fail(NO_KEY)
    return key


def _shown(key: ApiKeyResult) -> dict[str, Any]:
    return {name: dict(key)[name] for name in SHOWN}


def _print_issued(issued: IssuedApiKey, as_json: bool) -> None:
    if as_json:
        print_record(issued, True)
        return
    click.echo(issued["key"])
    until = issued["old_until"]
    if until is not None:
        note(f"the text before is valid until {when(until)}")
    note(f"this is the key of {plain(issued['owner'])}: nobody can show it again")
