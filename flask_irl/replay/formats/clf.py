"""Parse Common and Combined Log Format, and what servers make of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from flask_irl.replay.formats.addresses import (
    NO_ADDRESS,
    addresses,
    has_port,
    is_host,
    is_near,
    pick,
    without_last_group,
)
from flask_irl.replay.formats.clients import ClientFrom, behind_proxy
from flask_irl.replay.formats.entry import SERVERS_OWN, LogEntry, agent_class
from flask_irl.replay.formats.lines import Lines
from flask_irl.replay.formats.requests import (
    QUOTED,
    has_bare_protocol,
    read_request,
    unescape_haproxy,
)
from flask_irl.replay.formats.times import CLOCK, fraction, second_of

# The time ends what stands before it, so that a user's name may hold any brackets. Three words, as
# nearly always, are found at once.
_START = rf"(\S+ \S+ \S+(?= \[\d)|.{{0,512}}?) ?\[{CLOCK}\] "
_END = rf" (\d{{3}}|-) (\d+|-)(?: {QUOTED} {QUOTED}|(?= )|$)"
_STRICT = re.compile(_START + QUOTED + _END, re.ASCII)
# For servers that leave quotes in the request as they are.
_LOOSE = re.compile(_START + r'"(.*?)"' + _END, re.ASCII)
# Apache wakes its own workers so.
_DUMMY = "(internal dummy connection)"
_SERVERS_OWN = frozenset(map(str, SERVERS_OWN))
_WORD = re.compile(r'"[^"]*"|\([^)]*\)|[^\s,]+(?:, *[^\s,]+)*')
_FIELD = re.compile(QUOTED)
# HAProxy's "httplog clf": two empty fields, the port, milliseconds.
_HAPROXY = re.compile(r'"" "" \d{1,5} \d{1,3} "')

_FIRST = "the first address"


@dataclass(frozen=True, slots=True)
class _Place:
    """Say where the client stands.

    Attributes:
        word: Which of the addresses before the time, from 0.
        field: Which of the quoted fields behind the user agent, None to look at none.
        hop: Place in a list of addresses, as :func:`pick` has it.
    """

    word: int = 0
    field: int | None = None
    hop: int | None = None


class ClfFormat:
    """Read a log in Common or Combined Log Format, or a kin of them.

    Args:
        sample: Lines of the log.
        client: Where the client's address is.

    Attributes:
        kind: ``common`` or ``combined``.
        words: Where the client's address is, for people.

    Raises:
        ValueError: The log has no such address.
    """

    def __init__(self, sample: Sequence[str], client: ClientFrom) -> None:
        found = [match for line in sample if (match := _match(line))]
        self._virtual_host = client.virtual_host
        self.kind = "combined" if any(match[9] is not None for match in found) else "common"
        heads = [groups for match in found if (groups := self._groups(_words(match[1])))]
        served = [match for match in found if read_request(match[5])[0] != "BAD"]
        fields = [_FIELD.findall(match.string, match.end()) for match in served]
        self._place, self.words = _place(heads, fields, client)
        self._client = lru_cache(maxsize=8_192)(self._find_client)

    def parse(self, line: str, lines: Lines) -> LogEntry | None:
        """Parse a line.

        Raises:
            ValueError: It is in neither format; says why.
        """
        match = _STRICT.match(line) or _LOOSE.match(line)
        if match is None:
            raise ValueError("not in Common or Combined Log Format")
        head, stamp, digits, zone, request, status, size, _, agent = match.groups()
        ts = second_of(stamp, zone)
        if digits:
            ts += fraction(digits)
        client = self._client(head)
        if self._place.field is not None:
            client = self._forwarded(line, match.end()) or client
        if request[-8:-3] != "HTTP/":
            bare = has_bare_protocol(request)
            if bare or (zone is None and "HTTP/" not in request):
                # hypercorn and daphne: the port is always there.
                client = without_last_group(self._raw(head))
            if bare and status == "-":
                # hypercorn writes such a line for the end of a connection, beside the request's.
                return None
        elif agent == "" and _HAPROXY.match(line, match.start(8) - 1):
            agent = None
            request = unescape_haproxy(request)
        method, path = read_request(request)
        if method == "BAD" or status in _SERVERS_OWN or (agent and agent.endswith(_DUMMY)):
            return None
        return LogEntry(
            ts, client, method, path,
            0 if status == "-" else int(status),
            int(size) if size != "-" and len(size) < 16 else -1,
            "" if agent is None else agent_class(agent), "",
        )  # fmt: skip

    def _find_client(self, head: str) -> str:
        client = self._named(head)
        if len(client) > 256:
            raise ValueError("client is longer than 256 characters")
        return client

    def _named(self, head: str) -> str:
        words = _words(head)
        groups = self._groups(words)
        if groups:
            place = self._place.word
            hops = groups[place] if place < len(groups) else groups[0]
            return pick(hops, self._place.hop)
        if len(words) <= 3 and (not words or words[0] in NO_ADDRESS):
            # gunicorn leaves the address out on a Unix socket.
            return words[0] if len(words) == 3 else "-"
        if len(words) > 1 and words[1] in NO_ADDRESS - {"-"} and is_host(words[0]):
            return words[1]
        if len(words) == 3 and is_host(words[0]):
            return words[0]
        raise ValueError("begins with no address or host name of a client")

    def _groups(self, words: list[str]) -> list[tuple[str, ...]]:
        return _groups(words[1:] if self._virtual_host else words)

    def _raw(self, head: str) -> str:
        words = _words(head)
        return words[0] if words else "-"

    def _forwarded(self, line: str, position: int) -> str:
        fields = _FIELD.findall(line, position)
        place = self._place.field or 0
        hops = addresses(fields[place]) if place < len(fields) else ()
        return pick(hops, self._place.hop) if hops else ""


def _match(line: str) -> re.Match[str] | None:
    return _STRICT.match(line) or _LOOSE.match(line)


def _words(head: str) -> list[str]:
    return _WORD.findall(head)


def _groups(words: list[str]) -> list[tuple[str, ...]]:
    """List the addresses before ident and user, each a list of hops; without a virtual host."""
    start = 0
    if len(words) > 1 and not addresses(words[0]) and (is_host(words[0]) or words[0] in NO_ADDRESS):
        start = 1
    elif len(words) > 1 and has_port(words[0]) and addresses(words[1]) and not has_port(words[1]):
        start = 1  # a virtual host that is called by its address
    groups: list[tuple[str, ...]] = []
    for word in words[start:]:
        hops = addresses(word)
        if not hops:
            break
        groups.append(hops)
    return groups


def _place(
    heads: list[list[tuple[str, ...]]], fields: list[list[str]], client: ClientFrom
) -> tuple[_Place, str]:
    several = [groups for groups in heads if len(groups) > 1]
    in_use = len(several) * 2 > len(heads)
    field = _forwarding_field(fields)
    if client.source == "peer":
        return _Place(0, None, client.hop or -1), _FIRST
    if word := client.word:
        if not any(len(groups) >= word for groups in heads):
            raise ValueError(f"there are no {word} addresses before the time")
        return _Place(word - 1, None, client.hop), f"address {word} before the time"
    if client.source in ("xff", "real-ip"):
        if field is not None:
            return _Place(0, field, client.hop), _nth_field(field)
        lists = [at for groups in heads for at, hops in enumerate(groups) if len(hops) > 1]
        word = lists[0] if lists else int(in_use)
        if not heads:
            raise ValueError("there is no X-Forwarded-For")
        return _Place(word, None, client.hop), f"address {word + 1} before the time"
    if client.source:
        raise ValueError(f"it has no named fields such as {client.source!r}")
    word = _varied([(groups[0], groups[1]) for groups in several]) if in_use else 0
    peers = [pick(groups[min(word, len(groups) - 1)], None) for groups in heads]
    if field is not None and behind_proxy(peers, [bool(_hops(row, field)) for row in fields]):
        return _Place(word, field, client.hop), _nth_field(field)
    which = f"the {('first', 'second')[word]} of two addresses" if in_use else _FIRST
    return _Place(word, None, client.hop), which


def _nth_field(field: int) -> str:
    return f"quoted field {field + 1} after the user agent, an X-Forwarded-For; else {_FIRST}"


def _forwarding_field(fields: list[list[str]]) -> int | None:
    """Find the quoted field behind the user agent that holds addresses without ports."""
    width = max(map(len, fields), default=0)
    for place in range(width):
        values = [row[place] for row in fields if place < len(row)]
        if any(map(addresses, values)) and not any(
            has_port(part.strip()) for value in values for part in value.split(",")
        ):
            return place
    return None


def _hops(row: Sequence[str], place: int) -> tuple[str, ...]:
    return addresses(row[place]) if place < len(row) else ()


def _varied(pairs: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> int:
    """Tell which of two addresses is the client: one that varies, one that isn't private."""
    columns = [[pick(pair[place], None) for pair in pairs] for place in (0, 1)]
    first, second = (len(set(column)) > 1 for column in columns)
    if first != second:
        return int(second)
    near, near_too = (sum(map(is_near, column)) * 2 > len(column) for column in columns)
    if near != near_too:
        return int(near)
    # A site has more clients than proxies.
    return int(len(set(columns[1])) > 2 * len(set(columns[0])))
