"""Parse the W3C extended log format, of IIS and of Amazon's CloudFront."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flask_irl.replay.formats.addresses import addresses, pick
from flask_irl.replay.formats.clients import ClientFrom, behind_proxy
from flask_irl.replay.formats.entry import LogEntry, agent_class, make_entry
from flask_irl.replay.formats.lines import Lines, NoRequest
from flask_irl.replay.formats.requests import read_target
from flask_irl.replay.formats.times import moment_of

_HEADER: Final = "#Fields:"
_NEEDED = ("date", "time", "c-ip", "cs-method", "cs-uri-stem", "sc-status")
# CloudFront: what its cache answered, no app has seen.
_RESULT = "x-edge-result-type"
_FORWARDED = ("x-forwarded-for", "cs(x-forwarded-for)", "originalip")


class W3cFormat:
    """Read a log in W3C extended format, which names its fields; times are UTC.

    Args:
        sample: Lines of the log, its header among them.
        client: Where the client's address is.

    Attributes:
        kind: ``w3c``.
        words: Where the client's address is, for people.

    Raises:
        ValueError: The log has no header, or no such address.
    """

    kind = "w3c"

    def __init__(self, sample: Sequence[str], client: ClientFrom) -> None:
        self._hop = client.hop
        self._forwarded = ""
        self._columns: dict[str, int] = {}
        headers = [_columns(line) for line in sample if line.startswith(_HEADER)]
        known = {name for header in headers for name in header}
        missing = [name for name in _NEEDED if name not in known]
        if missing:
            raise ValueError(f"its header names no field {', '.join(missing)}")
        header = next(header for header in headers if "c-ip" in header)
        rows = [_fields(line) for line in sample if not line.startswith("#")]
        rows = [row for row in rows if len(row) == len(header)]
        name = client.source.lower()
        forwarded = next((name for name in _FORWARDED if name in known), "")
        if name in ("xff", "real-ip"):
            if not forwarded:
                raise ValueError("it has no field X-Forwarded-For")
            self._forwarded = forwarded
        elif name == "" and forwarded in header:
            has = [bool(_hops(row[header[forwarded]])) for row in rows]
            peers = [row[header["c-ip"]] for row in rows]
            self._forwarded = forwarded if behind_proxy(peers, has) else ""
        elif name not in ("", "peer", "c-ip", *known):
            raise ValueError(f"it has no field {client.source!r}")
        elif name in known:
            self._forwarded = name
        self.words = f"{self._forwarded}; else c-ip" if self._forwarded else "c-ip"

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line; a header changes the fields from there on.

        Raises:
            ValueError: It doesn't fit the header; says why.
        """
        if line[:1] == "#":
            if line.startswith(_HEADER):
                self._columns = _columns(line)
            raise NoRequest("a header")
        columns, fields = self._columns, _fields(line)
        if len(fields) != len(columns) or not columns:
            raise ValueError(f"{len(fields)} fields, where the header has {len(columns)}")
        try:
            ts = moment_of(f"{fields[columns['date']]}T{fields[columns['time']]}")
            client = fields[columns["c-ip"]]
            method, target = fields[columns["cs-method"]], fields[columns["cs-uri-stem"]]
            status = fields[columns["sc-status"]]
        except KeyError as error:
            raise ValueError(f"the header names no field {error.args[0]}") from None
        if self._forwarded in columns:
            hops = _hops(fields[columns[self._forwarded]])
            client = pick(hops, self._hop) if hops else client
        if _RESULT in columns and fields[columns[_RESULT]] == "Hit":
            return None
        method, path = read_target(method, target)
        size = fields[columns["sc-bytes"]] if "sc-bytes" in columns else "-"
        agent = ""
        if "cs(user-agent)" in columns:
            agent = agent_class(_spaced(fields[columns["cs(user-agent)"]]))
        return make_entry(ts, client, method, path, status, size, agent)


def _columns(line: str) -> dict[str, int]:
    return {name.lower(): place for place, name in enumerate(line[len(_HEADER) :].split())}


def _fields(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split(" ")


def _spaced(agent: str) -> str:
    return agent.replace("+", " ").replace("%20", " ")


def _hops(value: str) -> tuple[str, ...]:
    return addresses(_spaced(value))
