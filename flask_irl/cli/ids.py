"""Take clients' ids from the command line, and doubt those of clients that nobody has seen."""

from __future__ import annotations

import sys

import click
from flask import current_app

from flask_irl.api_keys.text import client_of, id_in
from flask_irl.cli.group import fail, note
from flask_irl.cli.output import plain
from flask_irl.operations.clients import ClientOperations
from flask_irl.operations.ids import is_address, is_no_client
from flask_irl.operations.results import ClientOverride
from flask_irl.web.key_functions import key_of_api_key
from flask_irl.web.state import state_of

by_api_key = click.option(
    "--api-key",
    expose_value=False,
    metavar="KEY",
    help="Name the client by its API key instead, of which only the hash is shown and stored.",
)


class ClientCommand(click.Command):
    """Take a client as the first argument, or by its API key as an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, with the hash of the API key as the client if one is given."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        key = given.get("api_key")
        if key is not None and not key.strip():
            raise click.BadParameter("it is empty", ctx=ctx, param_hint="--api-key")
        return super().parse_args(ctx, args if key is None else [_client_of(key), *args])


def _client_of(key: str) -> str:
    """Name the client that sends an API key: the limiter's own, or one of the app's."""
    key_id = id_in(key.strip())
    return client_of(key_id) if key_id else key_of_api_key(key)


def check_seen(clients: ClientOperations, client_id: str) -> None:
    """Ask whether a client is meant that nobody has seen; end with exit code 1 if not.

    Raises:
        ConfigurationError: A network is written wrong.
    """
    if clients.is_known(client_id):
        return
    examples = clients.examples()
    seen = f"ids here look like {', '.join(examples)}" if examples else "an id is an address"
    doubt = (
        f"no client {clients.key_of(client_id)} has been seen: {seen}, or whatever the app's "
        "key_func gives; for an API key give --api-key KEY, for a network 203.0.113.0/24"
    )
    if not on_terminal():
        fail(f"{doubt}; --yes does it all the same")
    click.echo(plain(doubt), err=True)
    click.confirm("Do it all the same?", abort=True, err=True)


def note_unseen_address(entry: ClientOverride) -> None:
    """Say on standard error that an override may hold for nobody: clients have other names."""
    key = entry["client"]
    if entry["known"] or not is_address(key) or state_of(current_app).names_addresses:
        return
    whole = key if "/" in key else f"{key}/32"
    note(
        f"no client {key} has been seen, and clients here may have other names; {whole} is a "
        "network: all requests from there, whatever their client"
    )


def on_terminal() -> bool:
    """Tell whether somebody is there who can answer."""
    return sys.stdin.isatty()


def name_of(key: str) -> str:
    """Name a client or a network in a sentence."""
    return f"{'network' if is_no_client(key) else 'client'} {key}"


def not_known(key: str, therefore: str) -> str:
    """Say that nothing is known of a client, and for a network where its clients are.

    Args:
        key: The client or the network.
        therefore: What that means for a client.
    """
    if is_no_client(key):
        return (
            f"network {key} has no override, so nothing is counted under it: irl find {key} lists "
            "the clients in it"
        )
    return f"client {key} is not known: {therefore}"
