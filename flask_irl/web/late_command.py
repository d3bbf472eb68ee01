"""Give an app a command whose code is imported when somebody calls it, and in no web worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class LateCommand(click.Command):
    """Stand for a command until it is called.

    Args:
        name: Its name.
        load: Gives the command itself.
        help: Text for the list of commands.
    """

    def __init__(self, name: str, load: Callable[[], click.Command], *, help: str) -> None:
        super().__init__(name, help=help)
        self._load = load

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Hand the arguments to the command itself, which click then invokes."""
        return self._load().make_context(info_name, args, parent, **extra)
