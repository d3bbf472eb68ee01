"""Make the load test's table of personas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from loadtests.tables import make_table


def personas_table(counts: Mapping[str, Any]) -> Table:
    """Make a table with a line for each persona; attackers are highlighted.

    Args:
        counts: Counts of a run, see :meth:`~loadtests.load.tally.Tally.to_json`.
    """
    rows, attackers = [], []
    for name, line in counts["personas"].items():
        figures = [f"{line[key]:,}" for key in ("sent", "admitted", "refused", "failures")]
        times = [line[key] for key in ("p50_ms", "p95_ms", "p99_ms")]
        rows.append((name, *figures, *("" if time is None else f"{time:.1f}" for time in times)))
        if line["side"] == "attack":
            attackers.append(name)
    headings = ("persona", "sent", "admitted", "refused", "failed", "p50", "p95", "p99")
    title = "The measured time, by persona (times in ms)"
    return make_table(headings, rows, title=title, marked=attackers)
