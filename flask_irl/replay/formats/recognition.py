"""Recognise the format of a log by its first lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from flask_irl.replay.formats.alb import AlbFormat
from flask_irl.replay.formats.clf import ClfFormat
from flask_irl.replay.formats.clients import ClientFrom
from flask_irl.replay.formats.entry import LogEntry
from flask_irl.replay.formats.haproxy import HaproxyFormat
from flask_irl.replay.formats.json_lines import JsonFormat
from flask_irl.replay.formats.lines import Lines, Parser
from flask_irl.replay.formats.prefixes import Stripped, strip, stripping
from flask_irl.replay.formats.servers import GranianFormat, UvicornFormat, UwsgiFormat, is_uvicorn
from flask_irl.replay.formats.table import REQUIRED, csv_parser, header_names
from flask_irl.replay.formats.w3c import W3cFormat

EXAMPLES: Final = 3


class LogFormat(Protocol):
    """Read a log of one family of formats, set up by a sample of its lines."""

    kind: str
    words: str

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line, or raise ValueError."""


class _Maker(Protocol):
    def __call__(self, sample: Sequence[str], client: ClientFrom) -> LogFormat: ...


_FAMILIES: Final[dict[str, _Maker]] = {
    "clf": ClfFormat,
    "haproxy": HaproxyFormat,
    "json": JsonFormat,
    "alb": AlbFormat,
    "w3c": W3cFormat,
    "uwsgi": UwsgiFormat,
    "granian": GranianFormat,
    "uvicorn": UvicornFormat,
}
_NAMES: Final = {
    "csv": "csv",
    **dict.fromkeys(
        "common combined vhost_combined nginx apache lighttpd gunicorn hypercorn daphne werkzeug"
        " gevent eventlet haproxy-clf traefik-clf".split(),
        "clf",
    ),
    **dict.fromkeys("json caddy traefik cloudflare".split(), "json"),
    **dict.fromkeys("w3c iis cloudfront".split(), "w3c"),
    **{name: name for name in "haproxy alb uwsgi granian uvicorn".split()},
}
FORMATS: Final = tuple(sorted(_NAMES))
"""Names that a log's format can be called by; those of one family are one."""
TITLES: Final = {
    "csv": "CSV",
    "common": "Common Log Format",
    "combined": "Combined Log Format",
    "haproxy": "HAProxy's format for HTTP",
    "json": "JSON lines",
    "alb": "AWS load balancer",
    "w3c": "W3C extended",
    "uwsgi": "uWSGI's default",
    "granian": "granian's access log",
    "uvicorn": "uvicorn's access log",
}


@dataclass(frozen=True, slots=True)
class Recognised:
    """Describe a format that was recognised.

    Attributes:
        kind: One of :data:`TITLES`.
        words: What it is and where the client's address is, for people.
        parse: Parser of the log's lines.
        examples: The sample's first entries, at most :data:`EXAMPLES`.
    """

    kind: str
    words: str
    parse: Parser
    examples: tuple[LogEntry, ...]


def recognise(sample: Sequence[str], name: str, client: ClientFrom) -> Recognised:
    """Find the format that reads most lines of a sample.

    Args:
        sample: The log's first lines, none of them blank, at least one.
        name: One of :data:`FORMATS`; ``""`` to try all.
        client: Where the client's address is.

    Raises:
        ValueError: None reads any line; says why.
    """
    family = _NAMES[name] if name else ""
    client = replace(client, virtual_host=name == "vhost_combined")
    names = header_names(sample[0])
    missing = [column for column in REQUIRED if column not in names]
    if family in ("", "csv") and not missing:
        return _table(sample, names, client)
    if family == "csv":
        raise ValueError(f"its CSV header names no column {', '.join(missing)}")
    stripped = [strip(line) for line in sample]
    plain = [found.line for found in stripped]
    best: Recognised | None = None
    most, reason = 0, ""
    for key, make in _FAMILIES.items():
        if family not in ("", key):
            continue
        for lines in (sample, plain) if plain != sample else (sample,):
            try:
                log = make(lines, client)
            except ValueError as error:
                if family or _reads(make, lines):
                    reason = str(error)
                continue
            parse = log.parse if lines is sample else stripping(log.parse)
            count, examples = _try(parse, sample)
            if count > most:
                most = count
                behind = "" if lines is sample else _behind(stripped)
                words = f"{TITLES[log.kind]}{behind}; client: {log.words}"
                best = Recognised(log.kind, words, parse, examples)
    if best is None:
        raise ValueError(reason or _reason(missing, plain))
    return best


def _table(sample: Sequence[str], names: list[str], client: ClientFrom) -> Recognised:
    parse = csv_parser(names, client)
    column = client.source.lower() or "client"
    _, examples = _try(parse, sample[1:])
    return Recognised("csv", f"{TITLES['csv']}; client: column {column}", parse, examples)


def _try(parse: Parser, sample: Sequence[str]) -> tuple[int, tuple[LogEntry, ...]]:
    lines = Lines(iter([list(sample)]))
    count = 0
    examples: list[LogEntry] = []
    for line in lines:
        try:
            entry = parse(line, lines)
        except ValueError:
            continue
        count += 1
        if entry is not None and len(examples) < EXAMPLES:
            examples.append(entry)
    return count, tuple(examples)


def _reads(make: _Maker, lines: Sequence[str]) -> bool:
    """Tell whether it is the client alone that a format's reader lacks."""
    try:
        return _try(make(lines, ClientFrom()).parse, lines)[0] > 0
    except ValueError:
        return False


def _behind(stripped: Sequence[Stripped]) -> str:
    names = Counter(found.names for found in stripped if found.names).most_common(1)[0][0]
    return f" behind {' and '.join(names)}"


def _reason(missing: list[str], plain: Sequence[str]) -> str:
    if len(missing) < len(REQUIRED):
        return f"its CSV header names no column {', '.join(missing)}"
    if any(map(is_uvicorn, plain)):
        return (
            "is of uvicorn, whose access log has no time; let docker logs -t, kubectl logs"
            " --timestamps or journald put it first, or take the log of the server in front"
        )
    return ""
