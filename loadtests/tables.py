"""Draw the tables of benchmark, evaluation and load test with rich."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from io import StringIO
from typing import IO, Final

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

PIPED_WIDTH: Final = 168
"""Columns of an output that is no terminal: enough for every table."""


def make_console(file: IO[str] | None = None) -> Console:
    """Make a console that writes text as it stands, on standard output by default."""
    console = Console(file=file, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


def make_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int = 1,
    title: str | None = None,
    marked: Container[str] = (),
) -> Table:
    """Make a table: texts fold where the terminal is narrow, names and figures never do.

    The first ``left`` columns hold text, the others figures; rows of a ``marked`` first cell are
    highlighted.
    """
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_edge = False
    for place, heading in enumerate(headings):
        table.add_column(
            heading,
            justify="left" if place < left else "right",
            no_wrap=not 0 < place < left,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row, style="yellow" if row[0] in marked else None)
    return table


def print_parts(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print tables and texts, each with an empty line after it."""
    for part in parts:
        console.print(part)
        console.print()


def as_text(*parts: RenderableType) -> str:
    """Render tables and texts as on no terminal, without spaces at the ends of lines."""
    file = StringIO()
    print_parts(make_console(file), parts)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip().splitlines())
