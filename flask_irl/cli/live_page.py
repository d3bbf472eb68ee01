"""Draw the live page of ``irl top`` as lines of text, of any width and height. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flask_irl.cli.client_page import facts, reasons
from flask_irl.cli.client_table import limit_of
from flask_irl.cli.output import plain, when
from flask_irl.operations.results import ClientEntry, ClientResult
from flask_irl.operations.top import Top
from flask_irl.verdicts.sentences import percent
from flask_irl.verdicts.sentences import plain as number

BARS: Final = " ▁▂▃▄▅▆▇█"
HEAD: Final = 7
"""Lines above the list of clients."""
KEYS: Final = "↑↓ select  enter explain  b block  o order  q quit"
COLUMNS: Final = (("limit", 8), ("req/min", 8), ("refused", 8), ("score", 6))


@dataclass(frozen=True, slots=True)
class View:
    """Hold what the page shows beside the site.

    Args:
        order: The ranking.
        selected: Place of the selected client.
        explained: The client that is explained, None for the list.
        asks: Whether the page asks to confirm the block of the selected client.
        message: What was done, or why not.
    """

    order: str = "active"
    selected: int = 0
    explained: ClientResult | None = None
    asks: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a line of the page; a marked one is drawn reversed."""

    text: str
    marked: bool = False


def page_of(top: Top, view: View, width: int, height: int) -> list[Line]:
    """Draw the page.

    Args:
        top: The site.
        view: What is shown beside.
        width: Columns of the terminal.
        height: Lines of the terminal.

    Returns:
        ``height`` lines, none longer than ``width``, none with a control character.
    """
    lines = [Line(text) for text in _head(top, width)]
    room = max(height - len(lines) - 1, 0)
    body = _explained(view.explained) if view.explained else _list(top, view, width, room)
    lines += [*body, *(Line("") for _ in range(room))][:room]
    lines.append(Line(_foot(top, view), marked=view.asks))
    return [Line(_cut(line.text, width), line.marked) for line in lines[:height]]


def selected(top: Top, view: View) -> ClientEntry | None:
    """Give the client that is selected, None where there is none."""
    clients = top["clients"] or []
    return clients[min(view.selected, len(clients) - 1)] if clients else None


def _head(top: Top, width: int) -> list[str]:
    status = top["status"]
    store, now, counts = status["store"], status["now"], status["clients"]
    if not store["answers"] or now is None:
        return [f"store DOES NOT ANSWER: {plain(store['address'])}: {plain(str(store['error']))}"]
    mode = f"mode {status['mode']}, base limit {status['base_limit']}"
    held = f"{counts['flagged']} flagged, {counts['blocked']} blocked" if counts else ""
    model = f"model {status['model_version']}" if status["model_version"] else "no model yet"
    attacks = top["incidents"] or []
    told = "; ".join(f"{x['common']} since {when(x['since'])}" for x in attacks)
    requests, refused = top["requests"] or [], top["refused"] or []
    highest = max([*requests, 1])
    return [
        f"{when(top['at'] or 0.0)}  {mode}, {model}, {held}",
        f"{now['requests_per_second']:,.1f} requests a second, "
        f"{now['refused_per_second']:,.1f} refused ({now['refused_share']:.1%}), "
        f"store {store['milliseconds'] or 0.0:.1f} ms",
        f"requests {bars(requests, highest)} {highest}/s",
        f"refused  {bars(refused, highest)}",
        f"ATTACK: {plain(told)}" if attacks else "no attack",
        "",
    ]


def bars(values: Sequence[int], highest: int) -> str:
    """Draw values as bars of the height of a letter."""
    last = len(BARS) - 1
    return "".join(BARS[-(-value * last // max(highest, 1)) if value else 0] for value in values)


def _list(top: Top, view: View, width: int, room: int) -> list[Line]:
    clients = top["clients"] or []
    figures = sum(columns for _, columns in COLUMNS)
    name = max(width - figures, 8)
    heading = f"client by {view.order}"
    head = heading.ljust(name) + "".join(title.rjust(columns) for title, columns in COLUMNS)
    chosen = min(view.selected, len(clients) - 1)
    # The selected client stays on the page.
    first = max(chosen - max(room - 2, 1) + 1, 0)
    rows = [Line(head)]
    for place, entry in enumerate(clients[first : first + max(room - 1, 0)], first):
        cells = (
            limit_of(entry),
            number(entry["requests_per_minute"]),
            percent(entry["refused_share"]),
            f"{entry['score'] + 0.0:.2f}",
        )
        text = plain(entry["client"])
        if entry["label"]:
            text += f" {plain(entry['label'])}"
        line = _cut(text, name - 1).ljust(name) + "".join(
            cell.rjust(columns) for cell, (_, columns) in zip(cells, COLUMNS, strict=True)
        )
        rows.append(Line(line, marked=place == chosen))
    return rows if clients else [*rows, Line("nobody")]


def _explained(result: ClientResult) -> list[Line]:
    lines = [f"{name:<20}{plain(text)}" for name, text in facts(result)]
    return [Line(line) for line in (*lines, *reasons(result))]


def _foot(top: Top, view: View) -> str:
    if view.asks:
        client = view.explained["client"] if view.explained else None
        if client is None:
            entry = selected(top, view)
            client = entry["client"] if entry else ""
        return f"block {plain(client)} for an hour? y or n"
    if view.message:
        return plain(view.message)
    return f"esc back  {KEYS}" if view.explained else KEYS


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
