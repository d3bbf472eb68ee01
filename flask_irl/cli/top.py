"""Show the site live in a terminal: ``flask irl top``."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from flask_irl.cli.group import fail, irl, operations, operator, plain_errors
from flask_irl.cli.live_page import Line, View, page_of, selected
from flask_irl.errors import IrlError
from flask_irl.operations import ORDERS, Operations
from flask_irl.operations.top import Top

if TYPE_CHECKING:
    from rich.text import Text

REFRESH_SECONDS: Final = 2.0
HOUR: Final = 3600.0
MOST_CLIENTS: Final = 100
ESCAPE_SECONDS: Final = 0.05
"""Time within which the rest of a key's sequence comes, over a slow line too."""
SEQUENCES: Final = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b": "escape",
    b"\r": "enter",
    b"\n": "enter",
    b"\x03": "q",
    b"\x04": "q",
    b"k": "up",
    b"j": "down",
}
ORDERS_SHOWN: Final = tuple(order for order in ORDERS if order != "overridden")


@irl.command()
@click.option(
    "--order",
    type=click.Choice(ORDERS_SHOWN),
    default="active",
    show_default=True,
    help="Which first.",
)
@plain_errors
def top(order: str) -> None:
    """Show traffic, attacks and clients live; explain a client, or block it for an hour."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("irl top needs a terminal: irl status and irl clients print once")
    screen = Screen(operations(), View(order))
    with _keys() as read:
        screen.run(read)


class Screen:
    """Hold the live page, and answer keys.

    Args:
        on_site: The operations.
        view: What is shown at first.
    """

    def __init__(self, on_site: Operations, view: View) -> None:
        self._on_site = on_site
        self.view = view
        self.top = self._read()

    def run(self, read: _Read) -> None:
        """Draw and answer keys until one says to quit."""
        from rich.console import Console
        from rich.live import Live

        console = Console(highlight=False, markup=False, emoji=False)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            due = time.monotonic() + REFRESH_SECONDS
            while True:
                width, height = console.size
                live.update(_drawn(page_of(self.top, self.view, width, height)), refresh=True)
                key = read(max(due - time.monotonic(), 0.0))
                if key is None:
                    self.top = self._read()
                    due = time.monotonic() + REFRESH_SECONDS
                elif not self.answer(key):
                    return

    def answer(self, key: str) -> bool:
        """Answer a key; False for one that quits."""
        view = replace(self.view, message="")
        if view.asks:
            self.view = self._block(view) if key == "y" else replace(view, asks=False)
            return True
        clients = self.top["clients"] or []
        match key:
            case "q":
                return False
            case "up" | "down":
                step = 1 if key == "down" else -1
                place = min(max(view.selected + step, 0), max(len(clients) - 1, 0))
                view = view if view.explained else replace(view, selected=place)
            case "enter":
                view = self._explain(view)
            case "escape":
                view = replace(view, explained=None)
            case "b":
                view = replace(view, asks=selected(self.top, view) is not None)
            case "o":
                place = ORDERS_SHOWN.index(view.order) + 1
                order = ORDERS_SHOWN[place % len(ORDERS_SHOWN)]
                view = replace(view, order=order, selected=0, explained=None)
                self.view = view
                self.top = self._read()
                view = self.view
        self.view = view
        return True

    def _read(self) -> Top:
        try:
            return self._on_site.top(self.view.order, MOST_CLIENTS)
        except IrlError as error:
            # It failed between two questions: the next look tells whether it is out.
            self.view = replace(self.view, message=f"the store failed: {error}")
            if hasattr(self, "top"):
                return self.top
            raise

    def _explain(self, view: View) -> View:
        entry = selected(self.top, view)
        if entry is None:
            return view
        try:
            found = self._on_site.clients.describe(entry["client"])
        except IrlError as error:
            return replace(view, message=str(error))
        if found is None:
            return replace(view, message=f"nothing is known of {entry['client']} any more")
        return replace(view, explained=found)

    def _block(self, view: View) -> View:
        entry = selected(self.top, view)
        client = view.explained["client"] if view.explained else entry["client"] if entry else ""
        view = replace(view, asks=False)
        try:
            self._on_site.overrides.set(
                client, "block", amount=0, seconds=HOUR, reason="irl top", who=operator()
            )
        except IrlError as error:
            return replace(view, message=f"{client} is not blocked: {error}")
        return replace(view, message=f"{client} is blocked for an hour; irl clear takes it back")


class _Read:
    """Read one key, or give None when so many seconds have passed.

    Args:
        descriptor: Of the terminal, which gives each key at once.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, seconds: float) -> str | None:
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return None
        data = os.read(self._descriptor, 1)
        if not data:
            # The terminal is gone.
            return "q"
        while data[:1] == b"\x1b" and len(data) < 3:
            more, _, _ = select.select([self._descriptor], [], [], ESCAPE_SECONDS)
            if not more:
                break
            data += os.read(self._descriptor, 1)
        return SEQUENCES.get(data, data.decode("ascii", "replace"))


@contextmanager
def _keys() -> Iterator[_Read]:
    """Have the terminal give keys at once and unseen, until the end."""
    try:
        import termios
        import tty
    except ImportError:
        fail("irl top needs a terminal of Unix")
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        # Lines still end as they should.
        settings = termios.tcgetattr(descriptor)
        settings[1] |= termios.OPOST
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
        yield _Read(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _drawn(lines: list[Line]) -> Text:
    from rich.text import Text

    page = Text(no_wrap=True, overflow="ignore", end="")
    for place, line in enumerate(lines):
        page.append("\n" if place else "")
        page.append(line.text, style="reverse" if line.marked else "")
    return page
