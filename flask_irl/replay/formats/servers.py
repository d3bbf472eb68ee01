"""Parse the formats that Python's application servers have of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from flask_irl.replay.formats.addresses import bare_address
from flask_irl.replay.formats.clients import ClientFrom
from flask_irl.replay.formats.entry import LogEntry, make_entry
from flask_irl.replay.formats.lines import Lines
from flask_irl.replay.formats.requests import clean_path, is_method, read_request
from flask_irl.replay.formats.times import CLOCK, fraction, second_of

_UWSGI = re.compile(
    r"\[pid: \d+\|app: (\S+)\|req: \S+\] (\S*) \(.*?\) \{\d+ vars in \d+ bytes\}"
    r" \[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\] (\S*) (.*) => generated (\d+) bytes"
    r" in \d+ \w+ \(\S* ?(\d{3})\)",
    re.ASCII,
)
_GRANIAN = re.compile(rf'\[{CLOCK}\] (\S+) - "(.*)" (\d{{3}}) [\d.]+$', re.ASCII)
_UVICORN = re.compile(r'(?:INFO: +)?(\S*) - "(.*)" (\d{3})(?: [\w \'-]+)?$', re.ASCII)
_NO_APP = "-1"


class _ServerFormat:
    """Hold what the formats have in common: one address of a client.

    Raises:
        ValueError: Another address is asked for.
    """

    words = "the only address"

    def __init__(self, sample: Sequence[str], client: ClientFrom) -> None:
        if client.source not in ("", "peer", "1"):
            raise ValueError("it has one address of a client alone")


class UwsgiFormat(_ServerFormat):
    """Read uWSGI's default log."""

    kind = "uwsgi"

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line.

        Raises:
            ValueError: It isn't uWSGI's; says why.
        """
        match = _UWSGI.match(line)
        if match is None:
            raise ValueError("not in uWSGI's format")
        app, client, time, method, target, size, status = match.groups()
        if app == _NO_APP:
            return None
        # uWSGI hands on to the app whatever came, so nothing is left out for its request line.
        entry = make_entry(
            _ctime(time), client or "-", "GET", clean_path(target), status, size
        )  # fmt: skip
        return entry and entry._replace(method=method if is_method(method) else "BAD")


class GranianFormat(_ServerFormat):
    """Read granian's access log."""

    kind = "granian"

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line.

        Raises:
            ValueError: It isn't granian's; says why.
        """
        match = _GRANIAN.match(line)
        if match is None:
            raise ValueError("not in granian's format")
        stamp, digits, zone, client, request, status = match.groups()
        method, path = read_request(request)
        ts = second_of(stamp, zone) + fraction(digits)
        return make_entry(ts, client, method, path, status, "-")


class UvicornFormat(_ServerFormat):
    """Read uvicorn's access log where a logger or container puts the time before it."""

    kind = "uvicorn"

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line whose time has been taken off with its prefix.

        Raises:
            ValueError: It isn't uvicorn's, or there was no time; says why.
        """
        match = _UVICORN.match(line)
        if match is None:
            raise ValueError("not in uvicorn's format")
        if lines.moment is None:
            raise ValueError("has no time")
        client, request, status = match.groups()
        method, path = read_request(request)
        client = bare_address(client) or client or "-"
        return make_entry(lines.moment, client, method, path, status, "-")


def is_uvicorn(line: str) -> bool:
    """Tell whether a line is of uvicorn's access log, with a time or without."""
    return _UVICORN.match(line) is not None


@lru_cache(maxsize=1024)
def _ctime(text: str) -> float:
    try:
        when = datetime.strptime(text, "%a %b %d %H:%M:%S %Y")
    except ValueError:
        raise ValueError("no such date") from None
    return when.replace(tzinfo=UTC).timestamp()
