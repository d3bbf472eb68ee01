"""Parse CSV with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from typing import Final

from flask_irl.replay.formats.addresses import addresses, pick
from flask_irl.replay.formats.clients import ClientFrom
from flask_irl.replay.formats.entry import LogEntry, make_entry
from flask_irl.replay.formats.lines import MAX_LINE, Lines, Parser
from flask_irl.replay.formats.requests import bare_path, is_method

REQUIRED: Final = ("ts", "client", "method", "path", "status")

# A quoted field that isn't closed by then is a stray quote, not a field with line breaks.
_RECORD_LINES = 20


def header_names(line: str) -> list[str]:
    """List the columns of a CSV header; empty if it isn't CSV."""
    try:
        return [name.strip().lower() for name in next(csv.reader([line]))]
    except csv.Error:
        return []


def csv_parser(header: list[str], client_from: ClientFrom) -> Parser:
    """Make a parser of the lines below a header with all required columns.

    Raises:
        ValueError: The header has no such column for the client.
    """
    column = client_from.source.lower() or "client"
    if column not in header:
        raise ValueError(f"its header names no column {column}")
    hop = client_from.hop
    width = len(header)
    # A missing column reads the empty text that parse() adds at the end.
    at = {name: header.index(name) if name in header else width for name in (*REQUIRED, "bytes")}
    ts, _, method, path, status, size = at.values()
    client = header.index(column)
    ua = header.index("ua_class") if "ua_class" in header else width
    label = header.index("label") if "label" in header else width
    least = max(ts, client, method, path, status) + 1

    def parse(line: str, lines: Lines) -> LogEntry | None:
        fields = line.split(",") if '"' not in line else _quoted_fields(line, lines)
        count = len(fields)
        if not least <= count <= width:
            raise ValueError(f"{count} fields, where the header has {width}")
        fields += [""] * (width - count + 1)
        try:
            seconds = float(fields[ts])
        except ValueError:
            seconds = -1.0
        name, verb, target = fields[client], fields[method].strip(), fields[path].strip()
        if hop is not None and (hops := addresses(name)):
            name = pick(hops, hop)
        if not is_method(verb):
            verb = "BAD"
        if "?" in target or target[:1] != "/":
            target = bare_path(target)
        return make_entry(
            seconds, name, verb, target,
            fields[status], fields[size], fields[ua].strip(), fields[label].strip(),
        )  # fmt: skip

    return parse


def _quoted_fields(line: str, lines: Lines) -> list[str]:
    lines_read: list[str] = []
    starved = False

    def record() -> Iterator[str]:
        nonlocal starved
        yield line + "\n"
        size = len(line)
        for more in islice(lines, _RECORD_LINES):
            lines_read.append(more)
            size += len(more)
            if size > MAX_LINE:
                break
            yield more + "\n"
        starved = True  # the reader asked for more inside a quoted field, and there is none

    try:
        fields = next(csv.reader(record()))
    except csv.Error:
        starved = True
    if starved:
        lines.put_back(lines_read)
        raise ValueError("a quoted field has no end")
    return fields
