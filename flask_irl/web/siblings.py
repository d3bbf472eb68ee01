"""Tell whether a process has siblings: others of the same server, which serve the same app."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

KNOW: Final = ("SERVER_SOFTWARE", "uwsgi.version")
"""Names in the environment of servers that know it. Those that serve WSGI by way of ASGI have none
of them, and say that there are others, whatever is so."""
MOD_WSGI: Final = "mod_wsgi"
WORKERS: Final[Mapping[str, str]] = {
    "granian": "GRANIAN_WORKERS",
    "hypercorn": "",
    "uvicorn": "WEB_CONCURRENCY",
}
"""Servers that say nothing of their workers, or nothing true: their command line does, or a
variable."""
OPTIONS: Final = ("--workers", "-w")


def has_siblings(
    environ: WSGIEnvironment,
    arguments: Sequence[str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> bool:
    """Tell whether the server of a request has other processes for the same app.

    Args:
        environ: The request's.
        arguments: The process's, ``sys.argv`` by default.
        variables: ``os.environ`` by default.
    """
    arguments = sys.argv if arguments is None else arguments
    variables = os.environ if variables is None else variables
    said = bool(environ.get("wsgi.multiprocess"))
    if f"{MOD_WSGI}.version" in environ:
        # It says so of processes=1, too.
        return said and getattr(sys.modules.get(MOD_WSGI), "maximum_processes", 2) > 1
    program = _program(arguments)
    if program in WORKERS:
        return _number(_option(arguments) or variables.get(WORKERS[program], "")) > 1
    return said and any(name in environ for name in KNOW)


def _program(arguments: Sequence[str]) -> str:
    """Name the program of a command line, which may be a package that Python runs."""
    path = Path(arguments[0]) if arguments else Path()
    return path.parent.name if path.name == "__main__.py" else path.stem


def _option(arguments: Sequence[str]) -> str:
    """Give the number of workers in a command line; empty if it has none."""
    for word, following in zip_longest(arguments[1:], arguments[2:], fillvalue=""):
        name, equals, value = word.partition("=")
        if name in OPTIONS:
            return value if equals else following
    return ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 1
