"""Parse HAProxy's ``option httplog``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask_irl.replay.formats.addresses import addresses, pick
from flask_irl.replay.formats.clients import ClientFrom, behind_proxy
from flask_irl.replay.formats.entry import LogEntry, agent_class, make_entry
from flask_irl.replay.formats.lines import Lines
from flask_irl.replay.formats.requests import read_request, unescape_haproxy
from flask_irl.replay.formats.times import CLOCK, fraction, second_of

_NO_SERVER = "<NOSRV>"
# Without the last quote where HAProxy has cut the line at its greatest length.
_LINE = re.compile(
    rf"(\S+):\d{{1,5}} \[{CLOCK}\] \S+ [^\s/]+/(\S+) [-+/\d]+ (-?\d+) \+?(\d+)"
    r' \S+ \S+ \S{4} [-+/\d]+ [-+/\d]+ (?:\{([^"]*?)\} )?(?:\{[^"]*?\} )?"(.*?)(?:"|$)',
    re.ASCII,
)

# "https/1: SSL handshake failure": there is no request yet.
_FAILURE = re.compile(rf"\S+:\d{{1,5}} \[{CLOCK}\] [^\s/]+/[^\s/]+: ", re.ASCII)


class HaproxyFormat:
    """Read a log of HAProxy in its own format for HTTP.

    Args:
        sample: Lines of the log.
        client: Where the client's address is; captured headers may hold it.

    Attributes:
        kind: ``haproxy``.
        words: Where the client's address is, for people.

    Raises:
        ValueError: The log has no such address.
    """

    kind = "haproxy"

    def __init__(self, sample: Sequence[str], client: ClientFrom) -> None:
        found = [match for line in sample if (match := _LINE.match(line))]
        captured = [match[8].split("|") if match[8] else [] for match in found]
        served = [
            (match[1], row) for match, row in zip(found, captured, strict=True)
            if match[5] != _NO_SERVER
        ]  # fmt: skip
        width = max(map(len, captured), default=0)
        columns = [[row[at] for _, row in served if at < len(row)] for at in range(width)]
        places = range(width)
        forwarded = next((at for at in places if any(map(addresses, columns[at]))), None)
        agents = (at for at in places if at != forwarded and any(map(_is_agent, columns[at])))
        self._agent = next(agents, None)
        self._hop = client.hop
        self._forwarded: int | None = None
        self.words = "the first address"
        if client.source in ("xff", "real-ip"):
            if forwarded is None:
                raise ValueError("no captured header holds addresses")
            self._forwarded = forwarded
        elif client.source == "" and forwarded is not None:
            has = [forwarded < len(row) and bool(addresses(row[forwarded])) for _, row in served]
            self._forwarded = forwarded if behind_proxy([peer for peer, _ in served], has) else None
        elif client.source not in ("", "peer", "1"):
            raise ValueError(f"it has no named fields such as {client.source!r}")
        if self._forwarded is not None:
            self.words = f"captured header {self._forwarded + 1}; else {self.words}"

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line.

        Raises:
            ValueError: It isn't in HAProxy's format; says why.
        """
        match = _LINE.match(line)
        if match is None and _FAILURE.match(line):
            return None
        if match is None:
            raise ValueError("not in HAProxy's format for HTTP")
        client, stamp, digits, zone, server, status, size, headers, request = match.groups()
        ts = second_of(stamp, zone) + fraction(digits)
        if server == _NO_SERVER:
            return None
        captured = headers.split("|") if headers else []
        if self._forwarded is not None and self._forwarded < len(captured):
            hops = addresses(captured[self._forwarded])
            client = pick(hops, self._hop) if hops else client
        agent = ""
        if self._agent is not None and self._agent < len(captured):
            agent = agent_class(captured[self._agent])
        method, path = read_request(unescape_haproxy(request))
        status = "-" if status == "-1" else status
        return make_entry(ts, client, method, path, status, size, agent)


def _is_agent(value: str) -> bool:
    return agent_class(value) not in ("empty", "unknown")
