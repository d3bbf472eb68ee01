"""Read access logs as a stream in order of time, plain or gzip."""

from __future__ import annotations

import codecs
import os
import stat
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import chain, islice
from operator import itemgetter
from typing import BinaryIO, Final, NamedTuple

from flask_irl.errors import LogError
from flask_irl.replay.formats import (
    MAX_LINE,
    REQUIRED,
    Lines,
    LogEntry,
    Parser,
    clf_kind,
    csv_parser,
    header_names,
    parse_clf,
    printable,
)

ALLOWED = (
    "Common or Combined Log Format, or CSV with a header naming"
    " ts,client,method,path,status[,bytes,ua_class,label]; plain or gzip"
)
LOOK_AHEAD: Final = 40_000
"""Entries that are read before the first one is yielded."""
BATCH: Final = 1_000
"""Entries that are sorted in and yielded at once."""
CHUNK_BYTES: Final = 65_536
EXAMPLES: Final = 5

_SNIFFED_LINES = 20
_FOREIGN = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


class UnreadableLine(NamedTuple):
    """Describe an unreadable line: its number from 1, the reason, and its printable start."""

    number: int
    reason: str
    text: str


class LogReader:
    """Iterate over the entries of an access log in order of time.

    A reader may be iterated again, which counts anew; one iteration at a time.

    The format is recognised by the file's beginning, not by its name. The log need not be quite
    sorted: an entry finds its place among the ``look_ahead`` entries read with it; a straggler from
    further back is yielded with its ``ts`` raised to the one before. Memory stays flat, whatever
    the file's length.

    Args:
        path: A regular file.
        look_ahead: Entries that are read before the first one is yielded, 1 or more.
        batch: Entries that are sorted in and yielded at once, 1 or more.
        chunk_bytes: Bytes that are read at once, 1 or more.

    Attributes:
        format: ``csv``, ``combined`` or ``common``.
        bytes_total: The file's size in bytes, as stored (compressed).
        bytes_read: Bytes that the entries yielded so far take in the file, for a progress bar.
        entries: Entries yielded so far, in whole batches or at the end exactly.
        late: Entries whose ``ts`` was raised.
        unreadable_lines: Lines that could not be read; blank ones don't count.
        unreadable_examples: The first :data:`EXAMPLES` unreadable lines.
        problem: Reason why the replay may mislead (a file cut off or damaged, a log far out of
            order); ``""`` if there is none. Entries before a damage are read, less the 64 KiB at
            most that zlib held of them. Final when the iteration has ended.

    Raises:
        LogError: There is no such file, or it can't be read, is no regular file, is empty, or is
            of no known format.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        look_ahead: int = LOOK_AHEAD,
        batch: int = BATCH,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.path = os.fspath(path)
        self._look_ahead = look_ahead
        self._batch = batch
        self._chunk_bytes = chunk_bytes
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
            status = os.stat(self.path)
        except (OSError, ValueError) as error:
            raise self._error(getattr(error, "strerror", None) or str(error)) from None
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise self._error(f"is {kind}")
        if not status.st_size:
            raise self._error("is empty")
        return status.st_size

    def _error(self, reason: str) -> LogError:
        return LogError(
            f"{printable(self.path, 1000)}: {reason}; an access log is needed: {ALLOWED}"
        )

    def _note(self, problem: str) -> None:
        self.problem = f"{self.problem}; {problem}" if self.problem else problem

    def _recognise(self) -> tuple[str, Parser]:
        with closing(self._blocks()) as blocks:
            lines = (line for line in Lines(blocks) if line.strip())
            head = list(islice(lines, _SNIFFED_LINES))
        if not head:
            raise self._error(self.problem or "is empty")
        names = header_names(head[0])
        missing = [name for name in REQUIRED if name not in names]
        if not missing:
            return "csv", csv_parser(names)
        for line in head:
            if kind := clf_kind(line):
                return kind, parse_clf
        if len(missing) < len(REQUIRED):
            raise self._error(f"its CSV header names no column {', '.join(missing)}")
        for magic, format_ in _FOREIGN.items():
            if self._magic.startswith(magic):
                raise self._error(f"is {format_}")
        if self.problem:
            raise self._error(self.problem)
        raise self._error(f"is of no known format; it begins with {printable(head[0], 80)!r}")

    def _batches(self) -> Iterator[list[LogEntry]]:
        # A batch leaves when as many entries are read after it as the look-ahead holds, and takes
        # its position in the file along: progress follows the entries yielded, not those read.
        entries = self._parsed()
        waiting: list[LogEntry] = []
        positions: deque[int] = deque()
        time_of = itemgetter(0)
        while batch := list(islice(entries, self._batch)):
            positions.append(self._position)
            batch.sort(key=time_of)
            place = bisect_right(waiting, batch[0].ts, key=time_of)
            waiting[place:] = sorted(chain(waiting[place:], batch), key=time_of)
            if len(waiting) > self._look_ahead:
                yield self._leave(waiting, positions)
        while waiting:
            yield self._leave(waiting, positions)
        self.bytes_read = self.bytes_total

    def _leave(self, waiting: list[LogEntry], positions: deque[int]) -> list[LogEntry]:
        batch = waiting[: self._batch]
        del waiting[: self._batch]
        self.entries += len(batch)
        self.bytes_read = min(positions.popleft(), self.bytes_total)
        return batch

    def _parsed(self) -> Iterator[LogEntry]:
        lines = Lines(self._blocks())
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
        """Decode the text in lists of lines; of an overlong line, only an overlong start."""
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
                yield from _inflate(chunks, self._note, self._chunk_bytes) if zipped else chunks
        except OSError as error:
            if not self._position:
                raise self._error(error.strerror or str(error)) from None
            self._note(f"reading stopped after {self._position} bytes: {error.strerror}")

    def _chunks(self, raw: BinaryIO) -> Iterator[bytes]:
        self._position = 0
        while chunk := raw.read(self._chunk_bytes):
            self._position += len(chunk)
            yield chunk


def _inflate(
    chunks: Iterator[bytes], note: Callable[[str], None], chunk_bytes: int
) -> Iterator[bytes]:
    # zlib rather than gzip, which throws its buffer away when the file is cut off.
    inflate = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            while chunk:
                if inflate.eof:  # another member may follow, or padding
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    inflate = zlib.decompressobj(wbits=31)
                yield inflate.decompress(chunk, chunk_bytes)
                chunk = inflate.unconsumed_tail or inflate.unused_data
        yield inflate.flush()
    except zlib.error as error:
        note(f"the gzip file is damaged ({error})")
    else:
        if not inflate.eof:
            note("the gzip file is cut off")
