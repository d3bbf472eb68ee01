"""Draw the summary of a replay for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from flask_irl.replay.formats.entry import LogEntry
from flask_irl.replay.report import ClientReport, ReplayReport
from flask_irl.replay.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MAX_CLIENTS: Final = 15
MAX_NAME: Final = 31
DOUBTFUL_FROM: Final = 20
"""Requests from which it is odd that all have one client, or each its own."""
COUNTS: Final = {
    "refused": "refused",
    "flagged": "flagged",
    "static_refused": "static limit refuses",
}
"""Titles of a report's counts, by member."""


def summarize(report: ReplayReport) -> list[RenderableType]:
    """Draw the totals of a report and a table of the clients that the limiter restricted most."""
    from rich.text import Text

    accepted = sum(model.accepted for model in report.models)
    ranking = [c for c in report.ranked() if c.refused or c.flagged or c.static_refused]
    parts: list[RenderableType] = [
        Text(
            f"{report.requests:,} requests of {len(report.clients):,} clients,"
            f" {report.unreadable_lines:,} unreadable lines,"
            f" {len(report.models):,} models trained ({accepted:,} accepted)\n"
        ),
        _totals(report),
    ]
    if report.server_answered_lines:
        parts.insert(
            1, Text(f"{report.server_answered_lines:,} lines are of requests that no app saw\n")
        )
    if ranking:
        parts += [Text(), _clients(ranking[:MAX_CLIENTS])]
    if len(ranking) > MAX_CLIENTS:
        parts.append(Text(f"and {len(ranking) - MAX_CLIENTS:,} more"))
    return parts


def doubts(report: ReplayReport) -> list[str]:
    """List what makes it doubtful that the clients are those that the app would have seen."""
    clients = len(report.clients)
    if report.requests < DOUBTFUL_FROM:
        return []
    if clients == 1:
        name = printable(report.clients[0].client)
        return [
            f"all {report.requests:,} requests are of one client, {name}:"
            " is that a proxy or a socket? --client-from says where the client's address is"
        ]
    if clients == report.requests:
        return [
            f"each of the {clients:,} requests has a client of its own: is that the client's"
            " address? --client-from says where it is"
        ]
    return []


def describe(entries: Iterable[LogEntry]) -> Table:
    """Draw entries of a log, so that a wrong guess is seen."""
    table = _table("client")
    for title in ("method", "path", "status", "time"):
        table.add_column(title)
    for entry in entries:
        time = datetime.fromtimestamp(entry.ts, UTC).isoformat(" ", "milliseconds")
        table.add_row(
            printable(entry.client, MAX_NAME), entry.method, printable(entry.path, MAX_NAME),
            str(entry.status), time.removesuffix("+00:00").removesuffix(".000"),
        )  # fmt: skip
    return table


def _totals(report: ReplayReport) -> Table:
    table = _table("", "requests", "share", "clients")
    for member, title in COUNTS.items():
        count = getattr(report, member)
        share = count / report.requests if report.requests else 0.0
        clients = sum(1 for client in report.clients if getattr(client, member))
        table.add_row(title, f"{count:,}", f"{share:.2%}", f"{clients:,}")
    return table


def _clients(clients: list[ClientReport]) -> Table:
    table = _table("client", "requests", "refused", "flagged", "static")
    table.add_column("first flagged")
    for client in clients:
        name = f"{client.client} ({client.label})" if client.label else client.client
        counts = (client.requests, client.refused, client.flagged, client.static_refused)
        table.add_row(printable(name, MAX_NAME), *(f"{n:,}" for n in counts), _first_flag(client))
    return table


def _table(name: str, *counts: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(name, box=box.SIMPLE, show_edge=False, pad_edge=False)
    for count in counts:
        table.add_column(count, justify="right")
    return table


def _first_flag(client: ClientReport) -> str:
    if client.first_flagged_request is None:
        return ""
    text = f"request {client.first_flagged_request:,}"
    if client.first_flagged_seconds is not None:
        text += f", after {client.first_flagged_seconds:,.0f} s"
    return text
