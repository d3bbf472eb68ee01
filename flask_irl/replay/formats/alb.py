"""Parse the access logs of AWS's load balancers: application (ALB) and classic."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask_irl.replay.formats.addresses import without_last_group
from flask_irl.replay.formats.clients import ClientFrom
from flask_irl.replay.formats.entry import LogEntry, agent_class, make_entry
from flask_irl.replay.formats.lines import Lines
from flask_irl.replay.formats.requests import QUOTED, read_request
from flask_irl.replay.formats.times import CLOCK, fraction, second_of

_SECONDS = r"-?\d+(?:\.\d+)?"
_LINE = re.compile(
    rf"(?:[a-z0-9]{{2,5}} )?{CLOCK} \S+ (\S+):\d{{1,5}} (\S+) {_SECONDS} {_SECONDS} {_SECONDS}"
    rf" (\d{{3}}|-) \S+ (?:\d+|-) (\d+|-) {QUOTED}(?: {QUOTED})?",
    re.ASCII,
)


class AlbFormat:
    """Read a log of an AWS load balancer.

    Args:
        sample: Lines of the log.
        client: Where the client's address is; these logs have one alone.

    Attributes:
        kind: ``alb``.
        words: Where the client's address is, for people.

    Raises:
        ValueError: The log has no such address.
    """

    kind = "alb"
    words = "client:port"

    def __init__(self, sample: Sequence[str], client: ClientFrom) -> None:
        if client.source not in ("", "peer", "1", "client"):
            raise ValueError("it has one address of a client alone, client:port")

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line.

        Raises:
            ValueError: It isn't a load balancer's; says why.
        """
        match = _LINE.match(line)
        if match is None:
            raise ValueError("not in the format of AWS's load balancers")
        stamp, digits, zone, client, target, status, size, request, agent = match.groups()
        ts = second_of(stamp, zone) + fraction(digits)
        if target == "-":
            return None
        method, path = read_request(request)
        kind = "" if agent is None else agent_class(agent)
        client = without_last_group(f"{client}:0")
        return make_entry(ts, client, method, path, status, size, kind)
