"""Describe a request of a log, and check what a line says of it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

MAX_PATH: Final = 2_048
MAX_TS: Final = 4_102_444_800.0
"""The year 2100; milliseconds land far above it."""
SERVERS_OWN: Final = frozenset((408, 414, 431, 494, 495, 496, 497))
"""Statuses of answers that a server gives before any app is asked."""

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
        path: Without query or host, percent-encoded as sent, at most :data:`MAX_PATH`
            characters; ``-`` when there is none.
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


def make_entry(
    ts: float,
    client: str,
    method: str,
    path: str,
    status: str,
    size: str,
    ua_class: str = "",
    label: str = "",
) -> LogEntry | None:
    """Make an entry of what a line says.

    Args:
        ts: Seconds since the epoch; anything else is refused.
        client: Client as named in the log.
        method: ``BAD`` if the request line did not parse.
        path: As :class:`LogEntry` wants it, of any length.
        status: Three digits, or as others write a number; ``""`` and ``-`` are unknown.
        size: Bytes as text; anything that is no number is unknown.
        ua_class: Class of the user agent.
        label: Kind of client.

    Returns:
        The entry; None for a request that a server answers by itself, so that no app sees it.

    Raises:
        ValueError: The time, the client or the status is none; says which.
    """
    if not 0.0 <= ts < MAX_TS:
        raise ValueError(f"ts is not in unix seconds, 0 to {MAX_TS:.0f}")
    client = client.strip()
    if not 0 < len(client) <= 256:
        raise ValueError("client is empty or longer than 256 characters")
    code = int(status) if len(status) == 3 and status.isdecimal() else number(status)
    if code > 999 or (code < 0 and status.strip() not in ("", "-")):
        raise ValueError("status is not a number from 0 to 999")
    if method == "BAD" or code in SERVERS_OWN:
        return None
    return LogEntry(
        ts, client, method, path[:MAX_PATH], max(code, 0), number(size), ua_class[:64], label[:64]
    )


def number(text: str) -> int:
    """Read a number of fewer than 16 digits; -1 if the text is none."""
    text = text.strip().removesuffix(".0")  # how a data frame writes a column with gaps
    return int(text) if text.isdecimal() and len(text) < 16 else -1


@lru_cache(maxsize=4096)
def agent_class(agent: str) -> str:
    """Sort a user agent into ``browser``, ``bot``, ``tool``, ``empty`` or ``unknown``."""
    if agent in ("", "-"):
        return "empty"
    if _BOT.search(agent):
        return "bot"
    if _TOOL.search(agent):
        return "tool"
    return "browser" if agent.startswith(("Mozilla/", "Opera/")) else "unknown"
