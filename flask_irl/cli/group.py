"""The group of commands, and how they print and fail."""

from __future__ import annotations

import datetime
import getpass
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final, NoReturn, ParamSpec

import click
from flask import current_app
from flask.cli import AppGroup

from flask_irl.errors import ConfigurationError, IrlError, StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations import Operations
from flask_irl.telemetry.log import logger
from flask_irl.web.state import state_of

P = ParamSpec("P")


class IrlGroup(AppGroup):
    """Commands that say in a line what is wrong with the app's configuration."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; the app is made on its way, from the configuration as it is."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            fail(str(error))


irl = IrlGroup("irl", help="Look into and steer the app's IntelligentLimiter.")
as_json = click.option("--json", "json_", is_flag=True, help="Print JSON, for programs.")
TIMES: Final = {"at", "first_seen", "last_seen", "trained_at", "until"}


def fail(message: str) -> NoReturn:
    """End with a message and exit code 1."""
    raise click.ClickException(plain(message))


def plain_errors(command: Callable[P, None]) -> Callable[P, None]:
    """What a user can mend is told in a line, without a traceback: exit code 2 for a value that is
    not allowed, else 1."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except StoreError as error:
            fail(f"the store does not answer ({error}): is the server up, and REDIS_URL right?")
        except ConfigurationError as error:
            # The app's own configuration was read before: it is a value of this command.
            raise click.UsageError(plain(str(error))) from None
        except IrlError as error:
            fail(str(error))

    return guarded


def limiter() -> Limiter:
    """The current app's limiter; says so if this process can't see the server's state."""
    _be_quiet()
    found = state_of(current_app).limiter
    if found.store.local:
        click.echo(
            "note: the store is memory://, which each process has for itself; "
            "this command sees nothing of a running server. Set REDIS_URL to share one.",
            err=True,
        )
    return found


def _be_quiet() -> None:
    """Keep events off the terminal until the command ends, unless the app shows them itself.

    Where nobody listens, Python prints warnings: every command would tell of the settings in force.
    """
    handler = logging.NullHandler()
    logger.addHandler(handler)
    click.get_current_context().call_on_close(lambda: logger.removeHandler(handler))


def operations() -> Operations:
    """What an operator can do with the current app's limiter."""
    return Operations(limiter())


def who() -> str:
    """Under whose name changes are audited."""
    try:
        return f"shell:{getpass.getuser()}"
    except (KeyError, OSError):
        return "shell"


def show(rows: Mapping[str, Any], as_json: bool) -> None:
    """Print one thing: a line a member, or JSON."""
    if as_json:
        click.echo(json.dumps(_readable(rows)))
        return
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {text(value, name)}")


def done(answer: Mapping[str, Any], sentence: str, as_json: bool) -> None:
    """Tell what was changed: in a sentence, or in JSON."""
    if as_json:
        show(answer, True)
    else:
        click.echo(plain(sentence))


def table(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print many things of a kind: a table, or JSON."""
    if as_json:
        click.echo(json.dumps([_readable(row) for row in rows]))
        return
    if not rows:
        click.echo("none")
        return
    # The first may have fewer members than others: a model that can't be read.
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([text(row.get(name), name) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its times in ISO 8601."""
    return {name: _in_json(name, value) for name, value in row.items()}


def _in_json(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _readable(value)
    return when(value) if name in TIMES and isinstance(value, (int, float)) else value


def text(value: Any, name: str = "") -> str:
    """A value for people."""
    if value is None:
        return "-"
    if name in TIMES and isinstance(value, (int, float)):
        return when(value) or "-"
    if isinstance(value, float):
        # Not -0.
        return f"{value + 0.0:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(str(n))}={text(item, n)}" for n, item in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(text(item) for item in value) or "-"
    return plain(str(value))


def plain(message: str) -> str:
    """A text that does nothing to a terminal but appear on it, in one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


def when(seconds: float) -> str | None:
    """A moment in ISO 8601; None for none."""
    if not seconds:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds")
