"""What a replay found: the report, its JSON and its summary, and the course over time."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import stat
from dataclasses import asdict, dataclass, field, fields

from flask_irl.errors import IrlError
from flask_irl.replay.formats import printable

MAX_BUCKETS = 2_000
SUMMARY_CLIENTS = 15


class ReportError(IrlError):
    """A report or plot can't be made or written where it should."""


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A model that the replay trained.

    Attributes:
        ts: When, in unix seconds of the log.
        version: Its version, counted from 1.
        rows: Rows that it learned from.
        accepted: Whether it was put to use, or else kept aside by the gate.

    Raises:
        ValueError: ``ts`` is not finite.
    """

    ts: float
    version: int
    rows: int
    accepted: bool

    def __post_init__(self) -> None:
        _require_finite("ts", self.ts)


@dataclass(frozen=True, slots=True)
class ClientReport:
    """What would have happened to one client; counts are of requests.

    Attributes:
        client: Its name in the log.
        label: What the log says that it is; usually ``""``.
        requests: All that it sent.
        refused: Those that the limiter would have refused.
        flagged: Those that it sent while it was anomalous, refused or not.
        static_refused: Those that the same strategy refuses at the full limit with no model.
        first_flagged_request: Which of its requests, from 1, was the first flagged one, or None.
        first_flagged_seconds: Seconds from its first request to that one, or None.

    Raises:
        ValueError: ``first_flagged_seconds`` is not finite.
    """

    client: str
    label: str
    requests: int
    refused: int
    flagged: int
    static_refused: int
    first_flagged_request: int | None = None
    first_flagged_seconds: float | None = None

    def __post_init__(self) -> None:
        _require_finite("first_flagged_seconds", self.first_flagged_seconds or 0.0)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay found; the members are those of the JSON report.

    Attributes:
        requests: Requests replayed.
        refused: Those that the limiter would have refused.
        flagged: Those of clients that were anomalous at the time.
        static_refused: Those that the same strategy refuses at the full limit with no model.
        unreadable_lines: Lines of the log that were left out.
        models: The models trained, in order of time.
        clients: Every client of the log, in any order.
    """

    requests: int
    refused: int
    flagged: int
    static_refused: int
    unreadable_lines: int
    models: tuple[ModelReport, ...]
    clients: tuple[ClientReport, ...]

    def ranked(self) -> list[ClientReport]:
        """The clients, the most refused first, then by flagged, requests, and name."""
        return sorted(self.clients, key=lambda c: (-c.refused, -c.flagged, -c.requests, c.client))

    def to_json(self) -> str:
        """The report as strict JSON in ASCII, a line for each model and client, ranked."""
        parts = []
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if name in ("models", "clients"):
                items = self.ranked() if name == "clients" else self.models
                rows = ",\n    ".join(json.dumps(asdict(item), allow_nan=False) for item in items)
                parts.append(f'  "{name}": [\n    {rows}\n  ]' if rows else f'  "{name}": []')
            else:
                parts.append(f'  "{name}": {json.dumps(value, allow_nan=False)}')
        return "{\n" + ",\n".join(parts) + "\n}\n"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON: whole or not at all, replacing what was there.

        Raises:
            ReportError: It can't be written there.
        """
        write_whole(path, self.to_json().encode("ascii"))


@dataclass(slots=True)
class Series:
    """Requests over time, in at most :data:`MAX_BUCKETS` buckets of equal width.

    Args:
        bucket_seconds: Width of a bucket to begin with; doubled whenever they would be too many.

    Attributes:
        first: Number of the first bucket; it begins ``first * bucket_seconds`` after the epoch.
        allowed: Requests admitted, per bucket. The other lists are as long.
        refused: Requests that the limiter refused.
        flagged: Requests of anomalous clients, refused or not.
        static_refused: Requests that the full limit with no model refuses.

    Raises:
        ValueError: ``bucket_seconds`` is not a positive number.
    """

    bucket_seconds: float = 60.0
    first: int = 0
    allowed: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    flagged: list[int] = field(default_factory=list)
    static_refused: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 < self.bucket_seconds < math.inf:
            raise ValueError(f"bucket_seconds is {self.bucket_seconds}; it must be positive")

    def add(self, ts: float, refused: bool, flagged: bool, static_refused: bool) -> None:
        """Count a request.

        Args:
            ts: When, in unix seconds; finite, in any order.
            refused: Whether the limiter refused it.
            flagged: Whether its client was anomalous.
            static_refused: Whether the full limit alone refuses it.
        """
        index = int(ts // self.bucket_seconds) - self.first
        if not 0 <= index < len(self.allowed):
            index = self._make_room(ts)
        if refused:
            self.refused[index] += 1
        else:
            self.allowed[index] += 1
        if flagged:
            self.flagged[index] += 1
        if static_refused:
            self.static_refused[index] += 1

    def _make_room(self, ts: float) -> int:
        number = int(ts // self.bucket_seconds)
        if not self.allowed:
            self.first = number
        while True:
            first = min(self.first, number)
            length = max(self.first + len(self.allowed), number + 1) - first
            if length <= MAX_BUCKETS:
                break
            self._double()
            number = int(ts // self.bucket_seconds)
        before = self.first - first
        after = length - len(self.allowed) - before
        for counts in self._counts():
            counts[:] = [0] * before + counts + [0] * after
        self.first = first
        return number - first

    def _double(self) -> None:
        odd = self.first % 2
        for counts in self._counts():
            padded = [0] * odd + counts
            counts[:] = [sum(padded[i : i + 2]) for i in range(0, len(padded), 2)]
        self.first //= 2
        self.bucket_seconds *= 2

    def _counts(self) -> tuple[list[int], ...]:
        return self.allowed, self.refused, self.flagged, self.static_refused


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before a long replay whether its result can be written.

    Raises:
        ReportError: It can't; the message names the path and the reason.
    """
    try:
        target, in_place = _target(path)
        if in_place:
            if not os.access(target, os.W_OK):
                raise PermissionError(13, "Permission denied")
            return
        probe = _beside(target)
        with open(probe, "xb"):
            pass
        os.unlink(probe)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that nobody ever sees half of it.

    Raises:
        ReportError: It can't be written; what was there before still is.
    """
    try:
        target, in_place = _target(path)
        if in_place:
            with open(target, "wb") as device:
                device.write(content)
            return
        beside = _beside(target)
        try:
            with open(beside, "xb") as file:
                file.write(content)
            os.replace(beside, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None


def _target(path: str | os.PathLike[str]) -> tuple[str, bool]:
    """Where to write, and whether in place: a terminal or pipe must not be replaced by a file."""
    name = os.path.abspath(path)
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        return os.path.realpath(name), False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Is a directory")
    if not stat.S_ISREG(mode) or name.startswith(("/dev/", "/proc/")):
        return name, True
    return os.path.realpath(name), False


def _beside(target: str) -> str:
    return os.path.join(os.path.dirname(target), f".irl-{secrets.token_hex(8)}.tmp")


def _unwritable(path: str | os.PathLike[str], error: Exception) -> ReportError:
    reason = getattr(error, "strerror", None) or str(error)
    return ReportError(
        f"{printable(os.fspath(path), 1000)}: can't be written: {reason};"
        " a file in an existing, writable folder is needed"
    )


def _require_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; a finite number is needed")


def summary_lines(report: ReplayReport) -> list[str]:
    """A short account for people: plain text, one line each, at most about 100 columns."""
    accepted = sum(model.accepted for model in report.models)
    hit = [c for c in report.ranked() if c.refused or c.flagged or c.static_refused]
    lines = [
        f"{report.requests:,} requests of {len(report.clients):,} clients,"
        f" {report.unreadable_lines:,} unreadable lines,"
        f" {len(report.models):,} models trained ({accepted:,} accepted)",
        "",
        f"{'':<24}{'requests':>12}{'share':>9}{'clients':>10}",
    ]
    for title, name in (
        ("refused", "refused"),
        ("flagged", "flagged"),
        ("static limit refuses", "static_refused"),
    ):
        count = getattr(report, name)
        clients = sum(1 for client in hit if getattr(client, name))
        share = count / report.requests if report.requests else 0.0
        lines.append(f"{title:<24}{count:>12,}{share:>9.2%}{clients:>10,}")
    if hit:
        lines += [
            "",
            f"{'client':<32}{'requests':>10}{'refused':>10}{'flagged':>10}{'static':>10}"
            "  first flagged",
        ]
        lines += [_client_line(client) for client in hit[:SUMMARY_CLIENTS]]
    if len(hit) > SUMMARY_CLIENTS:
        lines.append(f"and {len(hit) - SUMMARY_CLIENTS:,} more")
    return lines


def _client_line(client: ClientReport) -> str:
    name = f"{client.client} ({client.label})" if client.label else client.client
    first = ""
    if client.first_flagged_request is not None:
        first = f"  request {client.first_flagged_request:,}"
        if client.first_flagged_seconds is not None:
            first += f", after {client.first_flagged_seconds:,.0f} s"
    return (
        f"{printable(name, 31):<32}{client.requests:>10,}{client.refused:>10,}"
        f"{client.flagged:>10,}{client.static_refused:>10,}{first}"
    )
