"""Group the commands, and turn errors into a line and an exit code."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import click
from flask import current_app
from flask.cli import AppGroup

from flask_irl.cli.output import plain
from flask_irl.errors import ConfigurationError, IrlError, StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations import Operations
from flask_irl.telemetry.log import logger
from flask_irl.web.state import state_of

P = ParamSpec("P")


class IrlGroup(AppGroup):
    """Report errors of the app's configuration in a line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; this makes the app, from the configuration as it is."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            fail(str(error))


irl = IrlGroup("irl", help="Look into and steer the app's IntelligentLimiter.")
as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, for programs.")


def fail(message: str) -> NoReturn:
    """End with a message and exit code 1."""
    raise click.ClickException(plain(message))


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
    """Open the operations on the current app's limiter."""
    return Operations(_limiter())


def operator() -> str:
    """Name the operator, for the audit log."""
    try:
        return f"shell:{getpass.getuser()}"
    except (KeyError, OSError):
        return "shell"


def _limiter() -> Limiter:
    """Find the current app's limiter; warn if this process can't see the server's state."""
    _silence_events()
    limiter = state_of(current_app).limiter
    if limiter.store.local:
        click.echo(
            "note: the store is memory://, which each process has for itself; "
            "this command sees nothing of a running server. Set REDIS_URL to share one.",
            err=True,
        )
    return limiter


def _silence_events() -> None:
    """Keep events off the terminal until the command ends, unless the app shows them itself.

    Without any handler, Python prints warnings: every command would print the settings in force.
    """
    handler = logging.NullHandler()
    logger.addHandler(handler)
    click.get_current_context().call_on_close(lambda: logger.removeHandler(handler))
