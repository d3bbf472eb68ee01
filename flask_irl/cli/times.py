"""Take the time for which a change is to hold from the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec

import click
from click.core import ParameterSource

from flask_irl.cli.group import operations

P = ParamSpec("P")
HOUR: Final = 3600.0
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")


class Duration(click.ParamType[float]):
    """Take a number of seconds, or a number with a unit: ``90s``, ``15m``, ``12h``, ``30d``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert a text to seconds; their range is the operation's to check."""
        try:
            return float(value)
        except ValueError:
            found = DURATION.fullmatch(str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r:.60} is none: give seconds, or a number with s, m, h, d or w")
        return float(found[1]) * UNITS[found[2]]


def for_a_time(command: Callable[P, None]) -> Callable[P, None]:
    """Give a command ``--for`` and ``--until``; it gets the seconds of either as ``seconds``.

    Below ``plain_errors``, since an end may be wrong.
    """

    @click.option(
        "--for",
        "--seconds",
        "seconds",
        type=Duration(),
        default=HOUR,
        show_default="1h",
        help="For how long: seconds, or such as 30d.",
    )
    @click.option("--until", metavar="MOMENT", help="The end instead, as 2026-12-31T23:59:59Z.")
    @wraps(command)
    def timed(*args: P.args, **kwargs: P.kwargs) -> None:
        until = kwargs.pop("until")
        if until is not None:
            source = click.get_current_context().get_parameter_source("seconds")
            given = None if source is ParameterSource.DEFAULT else kwargs["seconds"]
            kwargs["seconds"] = operations().seconds(given, until)  # type: ignore[arg-type]
        command(*args, **kwargs)

    return timed
