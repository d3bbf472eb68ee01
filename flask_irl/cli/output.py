"""Print results: drawn by rich for people, or as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from flask_irl.operations.moments import COUNTS, is_moment, with_moments
from flask_irl.operations.moments import when as when
from flask_irl.operations.texts import plain as plain

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH: Final = 100_000
"""Columns of the page that rich draws on: more than any line has, so that no id is wrapped."""


def print_record(record: Mapping[str, Any], as_json: bool) -> None:
    """Print the members of a result: a line each, or JSON."""
    if as_json:
        click.echo(json.dumps(with_moments(record)))
        return
    from rich.table import Table

    lines = Table.grid(padding=(0, 2))
    for name, value in record.items():
        lines.add_row(name.replace("_", " "), text(value, name))
    draw(lines)


def print_change(result: Mapping[str, Any], sentence: str, as_json: bool) -> None:
    """Print the result of a change: a sentence, or JSON."""
    if as_json:
        print_record(result, True)
    else:
        click.echo(plain(sentence))


def print_table(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print results of one kind: a table, or JSON."""
    if as_json:
        click.echo(json.dumps([with_moments(row) for row in rows]))
        return
    if not rows:
        click.echo("none")
        return
    from rich import box
    from rich.table import Table

    # The first row may have fewer members than others: a model that can't be read.
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*names, box=box.SIMPLE, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*(text(row.get(name), name) for name in names))
    draw(table)


def draw(*parts: RenderableType, err: bool = False) -> None:
    """Print what rich draws: plain text without escape codes, on a terminal and in a pipe.

    Args:
        parts: What to draw, below each other.
        err: True to print on standard error.
    """
    from rich.console import Console

    console = Console(
        file=sys.stdout,
        width=WIDTH,
        height=1,
        color_system=None,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
    with console.capture() as page:
        for part in parts:
            console.print(part, no_wrap=True, overflow="ignore", crop=False)
    for line in page.get().removesuffix("\n").split("\n"):
        click.echo(line.rstrip(), err=err)


def text(value: Any, name: str = "") -> str:
    """Write a value for people."""
    if value is None or value == "":
        return "-"
    if is_moment(name, value):
        return when(value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        # Not -0.
        return f"{value + 0.0:.4g}"
    if isinstance(value, Mapping):
        items = ((n, text(item, "" if name in COUNTS else n)) for n, item in value.items())
        return ", ".join(f"{plain(str(n))}={shown}" for n, shown in items) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(text(item) for item in value) or "-"
    return plain(str(value))
