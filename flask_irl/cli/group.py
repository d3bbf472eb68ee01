"""Group the commands, and turn errors into a line and an exit code."""

from __future__ import annotations

import getpass
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, NoReturn, ParamSpec

import click
from flask import current_app
from flask.cli import AppGroup

from flask_irl.cli.output import plain
from flask_irl.errors import ConfigurationError, IrlError, StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations import Operations
from flask_irl.telemetry.log import logger
from flask_irl.web.state import AppState, state_of

P = ParamSpec("P")
JSON: Final = "--json"
META: Final = "flask_irl.json"
"""Name under which click's context knows whether JSON was asked for."""

TENANT: Final = "flask_irl.tenant"
"""Name under which click's context knows the tenant that a command is about; empty for none."""
ALIASES: Final = {"limit": "override", "unset": "clear"}
"""Commands by the names that they had before."""


class IrlGroup(AppGroup):
    """Report errors in a line, those of arguments and of the app's configuration, too.

    With ``--json`` the line is JSON: ``{"error": "…", "exit_code": 2}``. Commands are known by
    earlier names, too.
    """

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name, or by the one that it had before."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the group's own arguments; those of its command are read by :meth:`invoke`."""
        wanted = JSON in args[: args.index("--")] if "--" in args else JSON in args
        with _errors_in_json(wanted):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[META] = wanted
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; this makes the app, from the configuration as it is."""
        with _errors_in_json(bool(ctx.meta.get(META))):
            try:
                return super().invoke(ctx)
            except ConfigurationError as error:
                fail(str(error))


irl = IrlGroup(
    "irl",
    help="Look into and steer the app's IntelligentLimiter.",
    params=[
        click.Option(
            ["--tenant"],
            metavar="NAME",
            default="",
            help="Tenant that the command is about, where the app has tenants.",
        )
    ],
    callback=lambda tenant: click.get_current_context().meta.__setitem__(TENANT, tenant),
)
as_json = click.option(JSON, "json_", is_flag=True, help="Print JSON, for programs.")


def fail(message: str) -> NoReturn:
    """End with a message and exit code 1."""
    raise click.ClickException(plain(message))


def note(message: str) -> None:
    """Print a note on standard error; with ``--json`` as JSON."""
    wanted = click.get_current_context().meta.get(META)
    click.echo(json.dumps({"note": message}) if wanted else f"note: {plain(message)}", err=True)


@contextmanager
def _errors_in_json(wanted: bool) -> Iterator[None]:
    """Print a complaint as JSON instead of click's lines, with the same exit code."""
    try:
        yield
    except click.ClickException as error:
        if not wanted:
            raise
        complaint = {"error": error.format_message(), "exit_code": error.exit_code}
        click.echo(json.dumps(complaint), err=True)
        raise click.exceptions.Exit(error.exit_code) from None
    except click.Abort:
        if not wanted:
            raise
        click.echo(json.dumps({"error": "aborted", "exit_code": 1}), err=True)
        raise click.exceptions.Exit(1) from None


def plain_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Report errors that a user can mend in a line, without a traceback.

    The exit code is 2 for a value that is not allowed, else 1.
    """

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except StoreError as error:
            if error.kind == "response":
                fail(f"the store can't be used: {error}")
            fail(f"the store does not answer: {error}. Is the server up, and REDIS_URL right?")
        except ConfigurationError as error:
            # The app's own configuration was read before: the value is one of this command's.
            raise click.UsageError(plain(str(error))) from None
        except IrlError as error:
            fail(str(error))

    return guarded


def operations() -> Operations:
    """Open the operations on the current app's limiter, or on that of the tenant."""
    return Operations(_limiter())


def state() -> AppState:
    """Find the current app's state, or that of the tenant.

    Raises:
        click.UsageError: There is no such tenant.
    """
    own = state_of(current_app)
    wanted = click.get_current_context().meta.get(TENANT)
    if not wanted:
        return own
    if own.tenants is None:
        raise click.UsageError("the app has no tenants: tenant_of isn't given")
    limiter = own.tenants.limiters.find(wanted)
    if limiter is None:
        names = ", ".join(own.tenants.limiters.names())
        raise click.UsageError(plain(f"there is no tenant {wanted!r:.100}; there are: {names}"))
    return own.tenants.state(limiter)


def operator() -> str:
    """Name the operator, for the audit log."""
    try:
        return f"shell:{getpass.getuser()}"
    except (ImportError, KeyError, OSError):
        # On Windows there is no module to ask beside the environment.
        return "shell"


def _limiter() -> Limiter:
    """Find the limiter that is meant; warn if this process can't see the server's state."""
    _silence_events()
    limiter = state().limiter
    if limiter.store.local:
        note(
            "the store is memory://, which each process has for itself; "
            "this command sees nothing of a running server. Set REDIS_URL to share one."
        )
    return limiter


def _silence_events() -> None:
    """Keep events off the terminal until the command ends, unless the app shows them itself.

    Without any handler, Python prints warnings: every command would print the settings in force.
    """
    handler = logging.NullHandler()
    logger.addHandler(handler)
    click.get_current_context().call_on_close(lambda: logger.removeHandler(handler))
