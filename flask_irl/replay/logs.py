"""Read access logs as a stream in order of time, plain or gzip."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from operator import itemgetter
from typing import Final, NamedTuple

from flask_irl.errors import ConfigurationError
from flask_irl.replay.formats.clients import ClientFrom, parse_client_from
from flask_irl.replay.formats.entry import LogEntry
from flask_irl.replay.formats.lines import MAX_LINE, Lines, NoRequest
from flask_irl.replay.formats.prefixes import strip
from flask_irl.replay.formats.recognition import FORMATS, Recognised, recognise
from flask_irl.replay.source import CHUNK_BYTES, LogSource
from flask_irl.replay.text import printable

LOOK_AHEAD: Final = 40_000
"""Entries that are read before the first one is yielded."""
BATCH: Final = 1_000
"""Entries that are sorted in and yielded at once."""
EXAMPLES: Final = 5

_SNIFFED_LINES = 200


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
        format: Name of the log's format, one of ``formats.recognition.FORMATS``; ``""`` to guess.
        client_from: Where the client's address is: ``peer``, ``xff``, ``xff:first``, ``xff:last``,
            ``xff:N``, ``real-ip``, the number of an address in the line, or a field's name; ``""``
            to guess.
        look_ahead: Entries that are read before the first one is yielded, 1 or more.
        batch: Entries that are sorted in and yielded at once, 1 or more.
        chunk_bytes: Bytes that are read at once, 1 or more.

    Attributes:
        format: ``csv``, ``combined``, ``common``, ``json``, ``haproxy``, ``alb``, ``w3c``,
            ``uwsgi``, ``granian`` or ``uvicorn``.
        description: The format, and where the client's address is, for people.
        examples: The first entries, as they are in the log.
        bytes_total: The file's size in bytes, as stored (compressed).
        bytes_read: Bytes that the entries yielded so far take in the file, for a progress bar.
        entries: Entries yielded so far, in whole batches or at the end exactly.
        late: Entries whose ``ts`` was raised.
        server_answered: Requests that no app saw, since the server answered them by itself: no
            HTTP, given up, too long.
        unreadable_lines: Lines that could not be read; blank ones don't count.
        unreadable_examples: The first :data:`EXAMPLES` unreadable lines.
        problem: Reason why the replay may mislead (a file cut off or damaged, a log far out of
            order); ``""`` if there is none. Entries before a damage are read, less the 64 KiB at
            most that zlib held of them. Final when the iteration has ended.

    Raises:
        ConfigurationError: ``format`` or ``client_from`` is none of these.
        LogError: There is no such file, or it can't be read, is no regular file, is empty, is of
            no known format or not of the one named, or has no such address of a client.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        format: str = "",
        client_from: str = "",
        look_ahead: int = LOOK_AHEAD,
        batch: int = BATCH,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        if format and format not in FORMATS:
            raise ConfigurationError(f"format is {format!r}; allowed are {', '.join(FORMATS)}")
        client = parse_client_from(client_from)
        self._look_ahead = look_ahead
        self._batch = batch
        self._source = LogSource(path, chunk_bytes)
        recognised = self._recognise(format, client)
        self.format = recognised.kind
        self.description = recognised.words
        self.examples = recognised.examples
        self._parse = recognised.parse
        self._start()

    @property
    def path(self) -> str:
        """Give the path of the file."""
        return self._source.path

    @property
    def bytes_total(self) -> int:
        """Give the file's size in bytes."""
        return self._source.size

    @property
    def problem(self) -> str:
        """Give the reason why the replay may mislead."""
        return self._source.problem

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
            self._source.note(
                f"{self.late} of {self.entries} entries are far out of order and were moved to a"
                " later time; sort the log by time"
            )

    def _start(self) -> None:
        self._source.rewind()
        self.bytes_read = 0
        self.entries = self.late = self.unreadable_lines = self.server_answered = 0
        self.unreadable_examples: list[UnreadableLine] = []

    def _recognise(self, name: str, client: ClientFrom) -> Recognised:
        source = self._source
        with closing(source.blocks()) as blocks:
            lines = (line for line in Lines(blocks) if line.strip())
            head = list(islice(lines, _SNIFFED_LINES))
        if not head:
            raise source.error(source.problem or "is empty")
        try:
            return recognise(head, name, client)
        except ValueError as error:
            reason = str(error)
        if not reason and (foreign := source.foreign()):
            reason = f"is {foreign}"
        reason = reason or source.problem
        if not reason:
            what = f"not of the format {name}" if name else "of no known format"
            reason = f"is {what}; it begins with {printable(head[0], 80)!r}"
        raise source.error(reason)

    def _batches(self) -> Iterator[list[LogEntry]]:
        # A batch leaves when as many entries are read after it as the look-ahead holds, and takes
        # its position in the file along: progress follows the entries yielded, not those read.
        entries = self._parsed()
        waiting: list[LogEntry] = []
        positions: deque[int] = deque()
        time_of = itemgetter(0)
        while batch := list(islice(entries, self._batch)):
            positions.append(self._source.position)
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
        lines = Lines(self._source.blocks())
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
            except NoRequest:
                continue
            except ValueError as error:
                try:
                    entry = self._behind_prefix(line, lines, error)
                except ValueError:
                    self._unreadable(number, line, str(error))
                    continue
            if entry is None:
                self.server_answered += 1
            else:
                yield entry

    def _behind_prefix(self, line: str, lines: Lines, error: ValueError) -> LogEntry | None:
        """Try a line again whose prefix the log's first lines did not have."""
        found = strip(line) if len(line) <= MAX_LINE and self.format != "csv" else None
        if found is None or not found.names:
            raise error
        lines.moment = found.moment
        try:
            return self._parse(found.line, lines)
        finally:
            lines.moment = None

    def _unreadable(self, number: int, line: str, reason: str) -> None:
        if line.strip():
            self.unreadable_lines += 1
            if len(self.unreadable_examples) < EXAMPLES:
                self.unreadable_examples.append(UnreadableLine(number, reason, printable(line)))
