"""Walk through the lines of a log; name what a parser of them is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from flask_irl.replay.formats.entry import LogEntry

MAX_LINE: Final = 65_536


class NoRequest(ValueError):
    """Report a line that is part of the format and of no request, such as a header."""


class Lines:
    """Iterate over lines with their numbers; lines can be put back.

    Attributes:
        number: Number of the line read last, from 1.
        moment: Time in unix seconds that stood before the line read last, None without.
    """

    __slots__ = ("_back", "_source", "moment", "number")

    def __init__(self, blocks: Iterator[list[str]]) -> None:
        self._source = chain.from_iterable(blocks)
        self._back: deque[str] = deque()
        self.number = 0
        self.moment: float | None = None

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


Parser = Callable[[str, Lines], LogEntry | None]
"""Parse a line: an entry, None if no app saw the request, ValueError if it can't be read."""
