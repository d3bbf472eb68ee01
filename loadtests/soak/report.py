"""Tell of a soak: its faults, its figures, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from loadtests import targets
from loadtests.soak.bars import judge
from loadtests.tables import Table

SHOWN: Final = 12
"""Log lines that are shown of those that nothing explains."""


def title_of(run: Mapping[str, Any]) -> str:
    """Write the finding in a line."""
    rate = run["requests"] / run["soak"]["seconds"]
    return (
        f"{run['soak']['seconds'] / 60:.0f} minutes, {run['requests']:,} requests "
        f"({rate:.0f} a second), {len(run['faults'])} faults"
    )


def parts(run: Mapping[str, Any]) -> list[Table | str]:
    """Give the tables and texts of the report."""
    outcomes = judge(run)
    found: list[Table | str] = [
        title_of(run),
        faults(run),
        targets.table(outcomes),
        targets.summary(outcomes),
    ]
    for calm in run["calms"]:
        found += [f"From {calm['start']:.0f} s: {told}" for told in calm["disagreements"]]
    found += [f"Log: {line}" for line in run["unexpected"][:SHOWN]]
    return found


def faults(run: Mapping[str, Any]) -> Table:
    """Make a table of the faults, and of what clients saw."""
    rows = []
    for fault in run["faults"]:
        statuses = sorted(fault["statuses"].items())
        answers = ", ".join(
            f"{many} times {status}" if status != "0" else f"**{many} without an answer**"
            for status, many in statuses
        )
        longest = f"{fault['longest_ms']:.0f} ms"
        rows.append((fault["name"], answers, f"{fault['start'] / 60:.1f}", longest))
    return Table(("fault", "answers", "at minute", "longest"), rows, left=2)
