"""Parse access logs, a line at a time: CSV, Common and Combined Log Format."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple

REQUIRED = ("ts", "client", "method", "path", "status")
MAX_LINE = 65_536
MAX_PATH = 2_048
MAX_TS = 4_102_444_800.0  # the year 2100; milliseconds land far above it

# A quoted field that isn't closed by then is a stray quote, not a field with line breaks.
_RECORD_LINES = 20
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BAD"))
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}://[^/?]*")
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_EPOCH = date(1970, 1, 1).toordinal()
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
# Without [ in the user's name, so that no line makes the match backtrack for long.
_CLF_START = (
    r"(?:[\w.-]+:\d{1,5} (?=\S+ \S+ \S+ \[))?"  # Debian's vhost_combined
    r"(\S+) \S+ [^\[]{0,256}\[(\d\d/\w{3}/\d{4}):(\d\d):(\d\d):(\d\d)( [+-]\d{4})?\] "
)
_CLF_END = rf" (\d{{3}}|-) (\d+|-)(?: {_QUOTED} {_QUOTED}|(?= )|$)"
_CLF = re.compile(_CLF_START + _QUOTED + _CLF_END, re.ASCII)
# For servers that leave quotes in the request as they are.
_CLF_LOOSE = re.compile(_CLF_START + r'"(.*?)"' + _CLF_END, re.ASCII)
_BOT = re.compile(r"bot\b|bot/|crawl|spider|slurp|archiver|feed|\+https?:", re.IGNORECASE)
_TOOL = re.compile(
    r"^(?:curl|wget|python|java|go-http|libwww|lwp|okhttp|axios|node|perl|ruby|php|guzzle|aiohttp"
    r"|apache-httpclient|httpie|postman|scrapy)|zgrab|nmap|masscan|nikto|sqlmap|wpscan|nuclei",
    re.IGNORECASE,
)


class LogEntry(NamedTuple):
    """Describe a request of a log.

    Attributes:
        ts: Seconds since the epoch, 0 to :data:`MAX_TS`; never less than the entry before.
        client: Client as named in the log, 1 to 256 characters.
        method: The HTTP method; ``BAD`` when the request line did not parse.
        path: Without query or host, as sent (percent-encoded), at most :data:`MAX_PATH`
            characters; ``-`` when the request line did not parse.
        status: The response's status, 0 to 999; 0 when unknown.
        size: The response's size in bytes; -1 when unknown or logged as ``-``.
        ua_class: ``browser``, ``bot``, ``tool``, ``empty``, ``unknown`` or the CSV's own class;
            ``""`` when the log has no user agent.
        label: Kind of client as labelled in the CSV; usually ``""``.
    """

    ts: float
    client: str
    method: str
    path: str
    status: int
    size: int
    ua_class: str
    label: str


def printable(text: str, length: int = 200) -> str:
    """Escape control and other invisible characters, and cut the text to ``length``."""
    text = text[: length + 1]
    if not text.isprintable():
        text = "".join(
            c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text
        )
    return text if len(text) <= length else text[: length - 1] + "…"


class Lines:
    """Iterate over lines with their numbers; lines can be put back."""

    __slots__ = ("_back", "_source", "number")

    def __init__(self, blocks: Iterator[list[str]]) -> None:
        self._source = chain.from_iterable(blocks)
        self._back: deque[str] = deque()
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._source)
        self.number += 1
        return line

    def put_back(self, lines: list[str]) -> None:
        """Make these the next lines again."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


Parser = Callable[[str, Lines], LogEntry]


def _entry(
    ts: float, client: str, method: str, path: str, status: str, size: str, ua: str, label: str
) -> LogEntry:
    if not 0.0 <= ts < MAX_TS:
        raise ValueError(f"ts is not in unix seconds, 0 to {MAX_TS:.0f}")
    client = client.strip()
    if not 0 < len(client) <= 256:
        raise ValueError("client is empty or longer than 256 characters")
    code = int(status) if len(status) == 3 and status.isdecimal() else _number(status)
    if code > 999 or (code < 0 and status.strip() not in ("", "-")):
        raise ValueError("status is not a number from 0 to 999")
    if method not in _METHODS and not _TOKEN.fullmatch(method):
        method = "BAD"
    if "?" in path or path[:1] != "/":
        path = _target(path)
    return LogEntry(
        ts, client, method, path[:MAX_PATH], max(code, 0), _number(size), ua[:64], label[:64]
    )


def _number(text: str) -> int:
    text = text.strip().removesuffix(".0")  # how a data frame writes a column with gaps
    return int(text) if text.isdecimal() and len(text) < 16 else -1


def _target(path: str) -> str:
    if host := _ABSOLUTE.match(path):
        path = path[host.end() :] or "/"
    return path.partition("?")[0] or ("/" if path else "-")


def csv_parser(header: list[str]) -> Parser:
    """Make a parser of the lines below a header with all required columns."""
    width = len(header)
    # A missing column reads the empty text that parse() adds at the end.
    at = {name: header.index(name) if name in header else width for name in (*REQUIRED, "bytes")}
    ts, client, method, path, status, size = at.values()
    ua = header.index("ua_class") if "ua_class" in header else width
    label = header.index("label") if "label" in header else width
    least = max(ts, client, method, path, status) + 1

    def parse(line: str, lines: Lines) -> LogEntry:
        fields = line.split(",") if '"' not in line else _quoted_fields(line, lines)
        count = len(fields)
        if not least <= count <= width:
            raise ValueError(f"{count} fields, where the header has {width}")
        fields += [""] * (width - count + 1)
        try:
            seconds = float(fields[ts])
        except ValueError:
            seconds = -1.0
        return _entry(
            seconds, fields[client], fields[method].strip(), fields[path].strip(),
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


def parse_clf(line: str, lines: Lines | None = None) -> LogEntry:
    """Parse a line of Common or Combined Log Format.

    Raises:
        ValueError: The line is in neither; says why.
    """
    match = _CLF.match(line) or _CLF_LOOSE.match(line)
    if match is None:
        raise ValueError("not in Common or Combined Log Format")
    client, day, hour, minute, second, zone, request, status, size, _, agent = match.groups()
    h, m, s = int(hour), int(minute), int(second)
    if h > 23 or m > 59 or s > 60:
        raise ValueError("no such time of day")
    method, path = _request(request)
    return _entry(
        _midnight(day, zone) + h * 3600 + m * 60 + s, client, method, path, status, size,
        "" if agent is None else _ua_class(agent), "",
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _midnight(day: str, zone: str | None) -> float:
    month, rest = divmod(_MONTHS.find(day[3:6].lower()), 3)
    try:
        days = date(int(day[7:]), 0 if rest else month + 1, int(day[:2])).toordinal() - _EPOCH
    except ValueError:
        raise ValueError("no such date") from None
    if zone is None:
        return days * 86400.0
    ahead = int(zone[2:4]) * 3600 + int(zone[4:]) * 60
    if ahead > 15 * 3600:
        raise ValueError("no such time zone")
    return days * 86400.0 - (ahead if zone[1] == "+" else -ahead)


def _request(line: str) -> tuple[str, str]:
    method, _, target = line.partition(" ")
    start, protocol, _ = target.rpartition(" HTTP/")
    path = (start if protocol else target).strip()
    if method not in _METHODS and not _TOKEN.fullmatch(method):
        return "BAD", "-"
    if path[:1] == "/" or path == "*" or method == "CONNECT" or _ABSOLUTE.match(path):
        return method, path
    return "BAD", "-"


@lru_cache(maxsize=4096)
def _ua_class(agent: str) -> str:
    if agent in ("", "-"):
        return "empty"
    if _BOT.search(agent):
        return "bot"
    if _TOOL.search(agent):
        return "tool"
    return "browser" if agent.startswith(("Mozilla/", "Opera/")) else "unknown"


def header_names(line: str) -> list[str]:
    """List the columns of a CSV header; empty if it isn't CSV."""
    try:
        return [name.strip().lower() for name in next(csv.reader([line]))]
    except csv.Error:
        return []


def clf_kind(line: str) -> str:
    """Tell ``common`` from ``combined``; ``""`` if the line is neither."""
    match = _CLF.match(line) or _CLF_LOOSE.match(line)
    if match is None:
        return ""
    return "common" if match[match.re.groups] is None else "combined"
