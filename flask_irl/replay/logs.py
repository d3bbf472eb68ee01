"""Access logs, read as a stream: CSV, Common and Combined Log Format, plain or gzip."""

from __future__ import annotations

import codecs
import csv
import os
import re
import stat
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import date
from functools import lru_cache
from itertools import chain, islice
from operator import itemgetter
from typing import BinaryIO, NamedTuple

from flask_irl.errors import LogError

ALLOWED = (
    "Common or Combined Log Format, or CSV with a header naming"
    " ts,client,method,path,status[,bytes,ua_class,label]; plain or gzip"
)
REQUIRED = ("ts", "client", "method", "path", "status")
MAX_LINE = 65_536
MAX_PATH = 2_048
MAX_TS = 4_102_444_800.0  # the year 2100; milliseconds land far above it
LOOK_AHEAD = 40_000
EXAMPLES = 5

_BATCH = 1_000
_CHUNK = 65_536
_SNIFFED_LINES = 20
# A quoted field that isn't closed by then is a stray quote, not a field with line breaks.
_RECORD_LINES = 20
_FOREIGN = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BAD"))
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}://[^/?]*")
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_EPOCH = date(1970, 1, 1).toordinal()
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
# No [ in the user's name, so that no line makes the match wander back and forth.
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
    """One request of a log.

    Attributes:
        ts: Seconds since the epoch, 0 to :data:`MAX_TS`; never less than the entry before.
        client: Who asked, as the log names it, 1 to 256 characters.
        method: The HTTP method; ``BAD`` when the request line did not parse.
        path: Without query or host, as sent (percent-encoded), at most :data:`MAX_PATH`
            characters; ``-`` when the request line did not parse.
        status: The response's status, 0 to 999; 0 when unknown.
        size: The response's size in bytes; -1 when unknown or logged as ``-``.
        ua_class: ``browser``, ``bot``, ``tool``, ``empty``, ``unknown`` or what the CSV says;
            ``""`` when the log has no user agent.
        label: What the CSV says that this client is; usually ``""``.
    """

    ts: float
    client: str
    method: str
    path: str
    status: int
    size: int
    ua_class: str
    label: str


class UnreadableLine(NamedTuple):
    """A line that could not be read: its number from 1, why, and its start made printable."""

    number: int
    reason: str
    text: str


def printable(text: str, length: int = 200) -> str:
    """``text`` with control and other invisible characters escaped, cut to ``length``."""
    text = text[: length + 1]
    if not text.isprintable():
        text = "".join(
            c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text
        )
    return text if len(text) <= length else text[: length - 1] + "…"


class _Lines:
    """Lines one by one with their number; lines taken too many can be put back."""

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
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


_Parser = Callable[[str, _Lines], LogEntry]


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
    if found := _ABSOLUTE.match(path):
        path = path[found.end() :] or "/"
    return path.partition("?")[0] or ("/" if path else "-")


def _csv_parser(header: list[str]) -> _Parser:
    width = len(header)
    # A column that isn't there reads the empty text that parse() adds at the end.
    at = {name: header.index(name) if name in header else width for name in (*REQUIRED, "bytes")}
    ts, client, method, path, status, size = at.values()
    ua = header.index("ua_class") if "ua_class" in header else width
    label = header.index("label") if "label" in header else width
    least = max(ts, client, method, path, status) + 1

    def parse(line: str, lines: _Lines) -> LogEntry:
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


def _quoted_fields(line: str, lines: _Lines) -> list[str]:
    taken: list[str] = []
    starved = False

    def record() -> Iterator[str]:
        nonlocal starved
        yield line + "\n"
        size = len(line)
        for more in islice(lines, _RECORD_LINES):
            taken.append(more)
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
        lines.put_back(taken)
        raise ValueError("a quoted field has no end")
    return fields


def _parse_clf(line: str, lines: _Lines | None = None) -> LogEntry:
    found = _CLF.match(line) or _CLF_LOOSE.match(line)
    if found is None:
        raise ValueError("not in Common or Combined Log Format")
    client, day, hour, minute, second, zone, request, status, size, _, agent = found.groups()
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


class LogReader:
    """An access log as an iterable of :class:`LogEntry` in order of time.

    It may be iterated again, which counts anew; one iteration at a time.

    The format is told by the file's beginning, not by its name. The log need not be quite sorted:
    an entry finds its place among the :data:`LOOK_AHEAD` entries read with it; a straggler from
    further back is yielded with its ``ts`` raised to the one before. Memory stays flat, whatever
    the file's length.

    Args:
        path: A regular file.

    Attributes:
        format: ``csv``, ``combined`` or ``common``.
        bytes_total: The file's size in bytes, as stored (compressed).
        bytes_read: How much of it the entries yielded so far take, for a progress bar.
        entries: Entries yielded so far, in thousands or at the end exactly.
        late: How many of them had their ``ts`` raised.
        unreadable_lines: Lines that could not be read; blank ones don't count.
        unreadable_examples: The first :data:`EXAMPLES` of them.
        problem: Why the replay may not tell the whole truth (a file cut off or damaged, a log far
            out of order); ``""`` if all is well. What came before the damage is read, less what
            zlib held of it, 64 KiB at most. Final when the iteration has ended.

    Raises:
        LogError: There is no such file, it can't be read, is no regular file, is empty, or is of
            no known format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._start()
        self.format, self._parse = self._recognise()
        self._start()

    def __iter__(self) -> Iterator[LogEntry]:
        self._start()
        last = 0.0
        for batch in self._batches():
            for entry in batch:
                if entry[0] < last:
                    self.late += 1
                    entry = entry._replace(ts=last)
                else:
                    last = entry[0]
                yield entry
        if self.late * 100 > self.entries:
            self._note(
                f"{self.late} of {self.entries} entries are far out of order and were moved to a"
                " later time; sort the log by time"
            )

    def _start(self) -> None:
        self.bytes_total = self._size()
        self.bytes_read = self._position = 0
        self._magic = b""
        self.entries = self.late = self.unreadable_lines = 0
        self.unreadable_examples: list[UnreadableLine] = []
        self.problem = ""

    def _size(self) -> int:
        try:
            found = os.stat(self.path)
        except (OSError, ValueError) as error:
            raise self._error(getattr(error, "strerror", None) or str(error)) from None
        if not stat.S_ISREG(found.st_mode):
            kind = "a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise self._error(f"is {kind}")
        if not found.st_size:
            raise self._error("is empty")
        return found.st_size

    def _error(self, what: str) -> LogError:
        return LogError(f"{printable(self.path, 1000)}: {what}; an access log is needed: {ALLOWED}")

    def _note(self, problem: str) -> None:
        self.problem = f"{self.problem}; {problem}" if self.problem else problem

    def _recognise(self) -> tuple[str, _Parser]:
        with closing(self._blocks()) as blocks:
            lines = (line for line in _Lines(blocks) if line.strip())
            head = list(islice(lines, _SNIFFED_LINES))
        if not head:
            raise self._error(self.problem or "is empty")
        names = _header(head[0])
        missing = [name for name in REQUIRED if name not in names]
        if not missing:
            return "csv", _csv_parser(names)
        for line in head:
            if found := _CLF.match(line) or _CLF_LOOSE.match(line):
                return "common" if found[found.re.groups] is None else "combined", _parse_clf
        if len(missing) < len(REQUIRED):
            raise self._error(f"its CSV header names no column {', '.join(missing)}")
        for magic, kind in _FOREIGN.items():
            if self._magic.startswith(magic):
                raise self._error(f"is {kind}")
        if self.problem:
            raise self._error(self.problem)
        raise self._error(f"is of no known format; it begins with {printable(head[0], 80)!r}")

    def _batches(self) -> Iterator[list[LogEntry]]:
        # A batch leaves when as many are read after it as the look-ahead holds, and takes its
        # place in the file along, so that progress follows what is yielded, not what is read.
        entries = self._parsed()
        waiting: list[LogEntry] = []
        positions: deque[int] = deque()
        time_of = itemgetter(0)
        while batch := list(islice(entries, _BATCH)):
            positions.append(self._position)
            batch.sort(key=time_of)
            place = bisect_right(waiting, batch[0].ts, key=time_of)
            waiting[place:] = sorted(chain(waiting[place:], batch), key=time_of)
            if len(waiting) > LOOK_AHEAD:
                yield self._leave(waiting, positions)
        while waiting:
            yield self._leave(waiting, positions)
        self.bytes_read = self.bytes_total

    def _leave(self, waiting: list[LogEntry], positions: deque[int]) -> list[LogEntry]:
        batch = waiting[:_BATCH]
        del waiting[:_BATCH]
        self.entries += len(batch)
        self.bytes_read = min(positions.popleft(), self.bytes_total)
        return batch

    def _parsed(self) -> Iterator[LogEntry]:
        lines = _Lines(self._blocks())
        parse = self._parse
        header_to_come = self.format == "csv"
        for line in lines:
            number = lines.number
            try:
                if len(line) > MAX_LINE:
                    raise ValueError(f"longer than {MAX_LINE} characters")
                if header_to_come:
                    header_to_come = not line.strip()
                    continue
                entry = parse(line, lines)
            except ValueError as error:
                if line.strip():
                    self.unreadable_lines += 1
                    if len(self.unreadable_examples) < EXAMPLES:
                        example = UnreadableLine(number, str(error), printable(line))
                        self.unreadable_examples.append(example)
            else:
                yield entry

    def _blocks(self) -> Generator[list[str], None, None]:
        """The text in lists of lines; of an overlong line, only the beginning, but too long."""
        decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        rest = ""
        for data in self._plain():
            lines = decode(data).split("\n")
            if len(rest) <= MAX_LINE:
                lines[0] = rest + lines[0]
            elif len(lines) > 1:
                lines[0] = rest
            else:
                continue
            rest = lines.pop()
            yield [line[:-1] if line[-1:] == "\r" else line for line in lines]
        rest += decode(b"", True) if len(rest) <= MAX_LINE else ""
        yield [rest.removesuffix("\r")]

    def _plain(self) -> Iterator[bytes]:
        try:
            with open(self.path, "rb") as raw:
                self._magic = raw.peek(4)[:4]
                chunks = self._chunks(raw)
                zipped = self._magic.startswith(b"\x1f\x8b")
                yield from _inflated(chunks, self._note) if zipped else chunks
        except OSError as error:
            if not self._position:
                raise self._error(error.strerror or str(error)) from None
            self._note(f"reading stopped after {self._position} bytes: {error.strerror}")

    def _chunks(self, raw: BinaryIO) -> Iterator[bytes]:
        self._position = 0
        while chunk := raw.read(_CHUNK):
            self._position += len(chunk)
            yield chunk


def _header(line: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader([line]))]
    except csv.Error:
        return []


def _inflated(chunks: Iterator[bytes], note: Callable[[str], None]) -> Iterator[bytes]:
    # zlib rather than gzip, which throws away what it has when the file turns out to be cut off.
    inflate = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            while chunk:
                if inflate.eof:  # another member may follow, or padding
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    inflate = zlib.decompressobj(wbits=31)
                yield inflate.decompress(chunk, _CHUNK)
                chunk = inflate.unconsumed_tail or inflate.unused_data
        yield inflate.flush()
    except zlib.error as error:
        note(f"the gzip file is damaged ({error})")
    else:
        if not inflate.eof:
            note("the gzip file is cut off")
