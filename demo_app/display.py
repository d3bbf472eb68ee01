"""Show the demo while it runs: live on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from demo_app.ledger import Entry

REFRESH_PER_SECOND: Final = 4
PLAIN_SECONDS: Final = 10.0
"""Time between two lines without a terminal."""
PLAIN_WIDTH: Final = 110


def make_console() -> Console:
    """Make a console on standard output, wide enough for the demo's tables."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    return console


class Display:
    """Show the progress of the demo and its clients, inside a ``with`` block.

    Args:
        console: Console to print on.
        entries: Accounts of the clients; more may be added.
    """

    def __init__(self, console: Console, entries: Sequence[Entry]) -> None:
        self._console = console
        self._entries = entries
        self._started = time.monotonic()
        self._next_line = 0.0
        self._flagged: set[str] = set()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._title = ""
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(
                console=console,
                refresh_per_second=REFRESH_PER_SECOND,
                get_renderable=self._render,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def phase(self, title: str, text: str, seconds: float) -> None:
        """Begin a phase.

        Args:
            title: Name of the phase.
            text: Its plot.
            seconds: Its duration, about.
        """
        self._title = title
        self._progress.reset(self._task, total=seconds, description=title)
        self._console.print(f"\n[bold]{title}.[/bold] {text}")
        self._next_line = time.monotonic() + PLAIN_SECONDS

    def say(self, text: str) -> None:
        """Print an event with its time."""
        passed = time.monotonic() - self._started
        self._console.print(f"[dim]{passed:6.1f} s[/dim]  {text}")

    def update(self, passed: float) -> None:
        """Print the news; call it several times a second.

        Args:
            passed: Seconds since the phase began.
        """
        self._progress.update(self._task, completed=passed)
        for entry in self._entries:
            name = entry.role.name
            if entry.is_flagged and name not in self._flagged:
                self._flagged.add(name)
                self.say(
                    f"[red]{name}[/red] is flagged after {entry.first_flagged} requests: "
                    f"{entry.limit} of {entry.full_limit} left"
                )
            elif not entry.is_flagged and name in self._flagged:
                self._flagged.discard(name)
                self.say(f"[green]{name}[/green] behaves again: full limit of {entry.full_limit}")
        now = time.monotonic()
        if self._live is None and now >= self._next_line:
            self._next_line = now + PLAIN_SECONDS
            self.say(_summary(self._entries))

    def _render(self) -> RenderableType:
        return Group(self._progress, _by_persona(self._entries))


def _summary(entries: Sequence[Entry]) -> str:
    sent = sum(entry.sent for entry in entries)
    refused = sum(entry.refused for entry in entries)
    flagged = sum(entry.is_flagged for entry in entries)
    return f"{sent} requests sent, {refused} refused, {flagged} clients flagged"


def _by_persona(entries: Sequence[Entry]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("client")
    for heading in ("sent", "admitted", "refused", "flagged"):
        table.add_column(heading, justify="right")
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.role.persona, []).append(entry)
    for persona, group in groups.items():
        flagged = sum(entry.is_flagged for entry in group)
        table.add_row(
            persona if len(group) == 1 else f"{len(group)} {persona}s",
            str(sum(entry.sent for entry in group)),
            str(sum(entry.admitted for entry in group)),
            str(sum(entry.refused for entry in group)),
            str(flagged) if flagged else "",
            style="red" if flagged else "",
        )
    return table
