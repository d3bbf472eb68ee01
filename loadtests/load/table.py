"""The load test's table of personas, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table


def print_personas(console: Console, counts: Mapping[str, Any]) -> None:
    """Print a line for each persona.

    Args:
        console: Where.
        counts: As :meth:`~loadtests.load.tally.Tally.to_json` tells them.
    """
    title = "The measured time, by persona (times in ms)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("persona", no_wrap=True)
    for heading in ("sent", "admitted", "refused", "failed", "p50", "p95", "p99"):
        table.add_column(heading, justify="right")
    for name, line in counts["personas"].items():
        figures = [line[key] for key in ("sent", "admitted", "refused", "failures")]
        times = [line[key] for key in ("p50_ms", "p95_ms", "p99_ms")]
        table.add_row(
            name,
            *(f"{figure:,}" for figure in figures),
            *("" if time is None else f"{time:.1f}" for time in times),
            style="yellow" if line["side"] == "attack" else "",
        )
    console.print(table)
