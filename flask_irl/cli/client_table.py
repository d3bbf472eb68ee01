"""Print lists of clients: a line each that fits a terminal of 80 columns, and why it is held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from flask_irl.cli.output import plain, print_table, when
from flask_irl.config.values import OFF
from flask_irl.operations.results import ClientEntry
from flask_irl.verdicts.sentences import percent
from flask_irl.verdicts.sentences import plain as number

COLUMNS: Final = 80
HASHED: Final = 33
"""Characters of a key that is stored as a hash."""
MAX_LABEL: Final = 24
HEADINGS: Final = ("limit", "req/min", "refused", "score")


def print_clients(entries: Sequence[ClientEntry], as_json: bool, *, wide: bool = False) -> None:
    """Print clients: lines of at most 80 columns, all that is known in wide ones, or JSON."""
    if as_json or wide or not entries:
        print_table(entries, as_json)
        return
    figures = [_figures(entry) for entry in entries]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *figures, strict=True)]
    left = COLUMNS - sum(widths) - 2 * len(widths)
    names = [plain(entry["client"]) for entry in entries]
    labels = [plain(entry["label"] or "") for entry in entries]
    label = min(max(map(len, labels)), MAX_LABEL, max(left - HASHED - 2, 0))
    if label:
        label = max(label, len("label"))
        left -= label + 2
    name = min(max(len("client"), *map(len, names)), left)
    rows = zip(["client", *names], ["label", *labels], [HEADINGS, *figures], strict=True)
    notes = ["", *map(_note, entries)]
    for (client, called, cells), note in zip(rows, notes, strict=True):
        line = _cut(client, name).ljust(name)
        if label:
            line += f"  {_cut(called, label).ljust(label)}"
        for cell, width in zip(cells, widths, strict=True):
            line += f"  {cell.rjust(width)}"
        click.echo(line.rstrip())
        if note:
            click.echo(f"  {_cut(note, COLUMNS - 2)}")


def limit_of(entry: ClientEntry) -> str:
    """Write the limit that holds for a client."""
    if entry["override"] is not None:
        return overridden_limit(entry["override"], entry["amount"])
    return base_limit(entry["limit"]) if entry["factor"] else "blocked"


def overridden_limit(kind: str, amount: int) -> str:
    """Write the limit that an override sets."""
    return {"allow": OFF, "block": "blocked"}.get(kind, str(amount))


def base_limit(amount: int | None) -> str:
    """Write a base limit; None for one that is off."""
    return OFF if amount is None else str(amount)


def override_note(kind: str, who: str | None, until: float | None, reason: str) -> str:
    """Write who set an override, its end and why, such as ``blocked by shell:ann until …: floods``.

    Args:
        kind: ``allow``, ``block`` or ``limit``.
        who: The operator, if known.
        until: Its end in seconds since the epoch.
        reason: The operator's reason; may be empty.
    """
    done = {"allow": "allowed", "block": "blocked"}.get(kind, "own limit")
    by = f" by {who}" if who else ""
    why = f": {reason}" if reason else ""
    return plain(f"{done}{by} until {when(until or 0.0)}{why}")


def _figures(entry: ClientEntry) -> tuple[str, ...]:
    return (
        limit_of(entry),
        number(entry["requests_per_minute"]),
        percent(entry["refused_share"]),
        f"{entry['score'] + 0.0:.2f}",
    )


def _note(entry: ClientEntry) -> str:
    """Write until when and why a client is held or let pass; empty for one that is neither."""
    kind, until = entry["override"], when(entry["until"] or 0.0)
    reason = f": {entry['reason']}" if entry["reason"] else ""
    if kind is not None:
        return override_note(kind, entry["who"], entry["until"], entry["reason"])
    if not entry["step"]:
        return ""
    if not entry["factor"] and until is not None:
        return plain(f"blocked until {until}{reason}")
    return plain(f"step {entry['step']}{reason}")


def _cut(text: str, width: int) -> str:
    """Shorten a text: a sentence at a word, anything else where it has to be."""
    if len(text) <= width:
        return text
    head = text[: width - 1]
    words = head.rpartition(" ")[0].rstrip(";:, ")
    return f"{words if 2 * len(words) > width else head}…"
