"""Print the end of the demo: its clients, the site's figures, and the model."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from demo_app.ledger import Entry


def print_clients(console: Console, entries: Sequence[Entry], *, every: bool = False) -> None:
    """Print the table of clients.

    Args:
        console: Console to print on.
        entries: Accounts of the clients.
        every: Give each client a line of its own; else the untouched ones of a persona share one.
    """
    table = Table(title="Who was admitted, flagged, refused", title_justify="left")
    table.add_column("client", overflow="fold")
    table.add_column("persona")
    for heading in ("sent", "admitted", "refused"):
        table.add_column(heading, justify="right")
    table.add_column("flagged")
    table.add_column("after n", justify="right")
    table.add_column("limit", no_wrap=True)
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        shared = entry.role.fate == "normal" and _is_untouched(entry) and not every
        groups.setdefault(entry.role.persona if shared else entry.role.name, []).append(entry)
    for name, group in groups.items():
        first = group[0]
        table.add_row(
            name if len(group) == 1 else f"{len(group)} {name}s",
            first.role.persona,
            str(sum(entry.sent for entry in group)),
            str(sum(entry.admitted for entry in group)),
            str(sum(entry.refused for entry in group)),
            _flagged(first),
            "" if first.first_flagged is None else str(first.first_flagged),
            _limits(first),
            style="" if _is_untouched(first) else "red" if first.is_flagged else "yellow",
        )
    console.print(table)


def print_statistics(console: Console, entries: Sequence[Entry], seconds: float) -> None:
    """Print the site's figures.

    Args:
        console: Console to print on.
        entries: Accounts of the clients.
        seconds: Duration of the demo.
    """
    sent = sum(entry.sent for entry in entries)
    refused = sum(entry.refused for entry in entries)
    flagged = sum(entry.first_flagged is not None for entry in entries)
    durations = sorted(second for entry in entries for second in entry.seconds)
    table = _facts("Statistics")
    table.add_row("requests", f"{sent} of {len(entries)} clients in {seconds:.0f} s")
    table.add_row("requests per client", f"{statistics.median(e.sent for e in entries):.0f} median")
    table.add_row("refused", f"{refused} ({_percent(refused, sent)})")
    table.add_row("clients ever flagged", f"{flagged} ({_percent(flagged, len(entries))})")
    if len(durations) > 1:
        table.add_row(
            "response time",
            f"{statistics.median(durations) * 1000:.1f} ms median, "
            f"{durations[int(len(durations) * 0.95)] * 1000:.1f} ms for 95%",
        )
    console.print(table)


def print_model(console: Console, inside: dict[str, Any]) -> None:
    """Print the model in force.

    Args:
        console: Console to print on.
        inside: Description of the model by the server.
    """
    table = _facts("Model")
    if not inside["version"]:
        last = inside["last_training"]
        table.add_row("version", "none yet")
        table.add_row("last training", last["reason"] if last else "none")
    else:
        report = inside["report"]
        table.add_row("version", f"{inside['version']} ({inside['detector']})")
        table.add_row(
            "trained on",
            f"{inside['rows']} rows of {inside['clients']} clients, "
            f"which stand for {inside['requests']} requests",
        )
        table.add_row("trained in", f"{report['fit_seconds']:.2f} s, in a process of its own")
        gate = report["gate"]
        table.add_row(
            "gate",
            f"would flag {gate['flagged_share']:.1%} of recent legitimate clients, "
            f"{gate['allowed_share']:.0%} allowed",
        )
        table.add_row("threshold", f"{inside['threshold']} of 0 (normal) to -1 (anomalous)")
        features = ", ".join(name.replace("_", " ") for name in inside["features"])
        table.add_row("features", f"{len(inside['features'])}: {features}")
    console.print(table)


def _facts(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _is_untouched(entry: Entry) -> bool:
    return entry.first_flagged is None and not entry.refused and not entry.failed


def _flagged(entry: Entry) -> str:
    if entry.first_flagged is None:
        return "no"
    return "yes" if entry.is_flagged else "mended"


def _limits(entry: Entry) -> str:
    limits = [entry.full_limit]
    if entry.lowest < entry.full_limit:
        limits.append(entry.lowest)
        if entry.limit != entry.lowest:
            limits.append(entry.limit)
    return " → ".join(map(str, limits))


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0%"
