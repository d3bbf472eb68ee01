"""Write a report as the body of a mail: plain text, or HTML without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final, NamedTuple

from flask_irl.operations.incidents import IncidentState
from flask_irl.operations.moments import when
from flask_irl.operations.report import Report
from flask_irl.operations.texts import plain

MOST_ROWS: Final = 10
MOST_LETTERS: Final = 60
TITLE: Final = "Rate limits, {since} to {until}"
COUNTS: Final[Mapping[str, str]] = {
    "requests": "requests",
    "refused": "refused",
    "refused_by_app": "by the app",
    "flagged": "flagged",
}
STYLES: Final[Mapping[str, str]] = {
    "body": "font-family:sans-serif;font-size:14px;color:#222;background:#fff",
    "table": "border-collapse:collapse;margin-bottom:16px",
    "left": "text-align:left;padding:2px 12px 2px 0;border-bottom:1px solid #ddd",
    "right": "text-align:right;padding:2px 12px 2px 0;border-bottom:1px solid #ddd",
}


class Section(NamedTuple):
    """Hold a table of a mail: its title, the names of its columns, and its rows of texts.

    ``numbers`` columns, the last ones, are numbers.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: int


def as_text(report: Report, incidents: Sequence[IncidentState]) -> str:
    """Write a mail's body as plain text.

    Args:
        report: The report.
        incidents: Incidents; those that ended before its days are left out.
    """
    lines = [_title(report), "", report["summary"]]
    for section in _sections(report, incidents):
        lines += ["", section.title, "-" * len(section.title), *_lines(section)]
    return "\n".join(lines) + "\n"


def as_html(report: Report, incidents: Sequence[IncidentState]) -> str:
    """Write a mail's body as HTML, in styles that mail programs keep.

    Args:
        report: As of :func:`as_text`.
        incidents: As of :func:`as_text`.
    """
    title = escape(_title(report))
    parts = [
        '<!doctype html>\n<html lang="en">',
        f'<head><meta charset="utf-8"><title>{title}</title></head>',
        f'<body style="{STYLES["body"]}">\n<h1 style="font-size:18px">{title}</h1>',
        f"<p>{escape(report['summary'])}</p>",
    ]
    for section in _sections(report, incidents):
        parts.append(f'<h2 style="font-size:15px">{escape(section.title)}</h2>')
        parts += _table(section) if section.rows else ["<p>none</p>"]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _title(report: Report) -> str:
    since, until = (when(report["since"]) or "", when(report["until"]) or "")
    return TITLE.format(since=since[:10], until=until[:10])


def _sections(report: Report, incidents: Sequence[IncidentState]) -> Iterator[Section]:
    days = [{**day, "day": (when(day["at"]) or "")[:10]} for day in report["by_day"]]
    yield _counts("Days (UTC)", "day", days)
    late = [x for x in incidents if x["until"] is None or x["until"] >= report["since"]]
    yield Section(
        f"Attacks: {len(late)}",
        ("begin", "end", "kind", "on", "clients", "requests", "refused"),
        [
            (
                when(x["since"]) or "-",
                when(x["until"] or 0.0) or "goes on",
                x["common"],
                _short(x["target"]) or "-",
                *(f"{n:,}" for n in (x["clients"], x["requests"], x["refused"])),
            )
            for x in late[:MOST_ROWS]
        ],
        3,
    )
    refused = [
        {**client, "client": f"{client['client']} ({client['looks_like']})"}
        for client in report["clients"]
    ]
    yield _counts("Refused clients", "client", refused)
    yield _counts("Clients with most requests", "client", report["top_clients"])
    yield _counts("Networks with most requests", "network", report["networks"])
    if report["countries"]:
        yield _counts("Countries with most requests", "country", report["countries"])
    yield _counts("Routes with most requests", "route", report["routes"])


def _counts(title: str, name: str, members: Sequence[Mapping[str, Any]]) -> Section:
    rows = []
    for member in members[:MOST_ROWS]:
        by_us = member["refused_by_limits"] + member["refused_by_verdict"]
        counts = {**member, "refused": by_us}
        rows.append((_short(member[name]), *(f"{counts[column]:,}" for column in COUNTS)))
    return Section(title, (name, *COUNTS.values()), rows, len(COUNTS))


def _short(text: str) -> str:
    """Write a text that a stranger may have chosen in one line that isn't too long."""
    safe = plain(text)
    return safe if len(safe) <= MOST_LETTERS else safe[: MOST_LETTERS - 1] + "…"


def _lines(section: Section) -> Iterator[str]:
    if not section.rows:
        yield "none"
        return
    rows = [section.columns, *section.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = len(widths) - section.numbers
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:texts], widths[:texts], strict=True)]
        cells += [
            cell.rjust(width) for cell, width in zip(row[texts:], widths[texts:], strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _table(section: Section) -> Iterator[str]:
    texts = len(section.columns) - section.numbers
    yield f'<table style="{STYLES["table"]}">'
    for tag, row in (("th", section.columns), *(("td", row) for row in section.rows)):
        cells = (
            f'<{tag} style="{STYLES["left" if place < texts else "right"]}">{escape(cell)}</{tag}>'
            for place, cell in enumerate(row)
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</table>"
