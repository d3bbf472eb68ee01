"""Read a site's log: what it tells, and when."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

LINE: Final = re.compile(r"(\S+) \[\d+\] \[([A-Z]+)\] (\S+): (.*)")
SERVERS: Final = re.compile(r"\[([\d-]+ [\d:]+ [+-]\d+)\] \[\d+\] \[([A-Z]+)\] (.*)")
"""A line of gunicorn's own."""
SERVERS_TIME: Final = "%Y-%m-%d %H:%M:%S %z"
PLAIN: Final = "gunicorn"
"""What gunicorn says as usual."""
USUAL: Final = frozenset(
    "request_refused client_flagged client_mended clients_expired crowd_guard_on crowd_guard_off "
    "campaign_began campaign_ended incident_began incident_ended "
    "training_accepted training_rejected training_refused model_loaded gunicorn".split()
)
"""Events that the traffic itself brings about."""
SECOND: Final = 1.0
"""Times in the log are whole seconds."""


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a line of the log: its time since the epoch, its event's name, and all of it."""

    at: float
    event: str
    text: str


@dataclass(frozen=True, slots=True)
class Window:
    """Name the events that the log may have from a time to another, in seconds since the epoch."""

    start: float
    end: float
    events: Container[str]


def read(path: Path) -> Iterator[Line]:
    """Read the events of a log; a line without a time has that of the one before, and no name."""
    at = 0.0
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := LINE.fullmatch(text):
            at = datetime.fromisoformat(found[1]).timestamp()
            logger, message = found[3], found[4]
            name = message.partition(" ")[0] if logger == "flask_irl" else logger
            yield Line(at, name, text)
        elif found := SERVERS.fullmatch(text):
            at = datetime.strptime(found[1], SERVERS_TIME).timestamp()
            words = re.sub(r" \(pid:\d+\)| Perhaps.*", "", found[3])
            yield Line(at, PLAIN if found[2] == "INFO" else f"{PLAIN}: {words}", text)
        else:
            yield Line(at, "", text)


def unexpected(lines: Iterator[Line], windows: Sequence[Window]) -> list[str]:
    """List the lines that neither the traffic nor a fault of their time explains."""
    return [
        line.text for line in lines if line.event not in USUAL and not _is_explained(line, windows)
    ]


def _is_explained(line: Line, windows: Sequence[Window]) -> bool:
    return any(
        window.start - SECOND <= line.at <= window.end + SECOND and line.event in window.events
        for window in windows
    )
