"""Draw the tables of benchmark, evaluation and load test: by rich, or as Markdown for documents."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import IO, Final

import rich.table
from rich import box
from rich.console import Console, RenderableType

PIPED_WIDTH: Final = 168
"""Columns of an output that is no terminal: enough for every table."""


@dataclass(frozen=True)
class Table:
    """Hold a table's cells: texts in the first ``left`` columns, figures in the others.

    Rows of a ``marked`` first cell are highlighted on a terminal.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    title: str = ""
    marked: Container[str] = ()

    def __rich__(self) -> rich.table.Table:
        """Draw it; texts fold where the terminal is narrow, names and figures never do."""
        title = self.title or None
        table = rich.table.Table(
            title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
        )
        table.show_edge = False
        for place, heading in enumerate(self.headings):
            table.add_column(
                heading,
                justify="left" if place < self.left else "right",
                no_wrap=not 0 < place < self.left,
                overflow="fold",
            )
        for row in self.rows:
            table.add_row(*row, style="yellow" if row[0] in self.marked else None)
        return table

    def markdown(self) -> str:
        """Write it as Markdown, its title above it."""
        rule = ["---"] * self.left + ["---:"] * (len(self.headings) - self.left)
        cells = [[cell.replace("|", "\\|") for cell in row] for row in (self.headings, *self.rows)]
        lines = [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
        return "\n".join([self.title, ""] * bool(self.title) + lines)


def make_console(file: IO[str] | None = None) -> Console:
    """Make a console that writes text as it stands, on standard output by default."""
    console = Console(file=file, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


def print_parts(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print tables and texts, each with an empty line after it."""
    for part in parts:
        console.print(part)
        console.print()


def print_markdown(parts: Iterable[Table | str]) -> None:
    """Print tables and texts as Markdown, an empty line between them."""
    print("\n\n".join(part if isinstance(part, str) else part.markdown() for part in parts))


def as_text(*parts: RenderableType) -> str:
    """Render tables and texts as on no terminal, without spaces at the ends of lines."""
    file = StringIO()
    print_parts(make_console(file), parts)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip().splitlines())
