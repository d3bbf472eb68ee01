"""Describe the result of a replay, and write it as JSON."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields

from flask_irl.replay.files import write_whole


@dataclass(frozen=True, slots=True)
class ModelReport:
    """Describe a model that a replay trained.

    Attributes:
        ts: Time of the training, in unix seconds of the log.
        version: Version, counted from 1.
        rows: Number of rows that it was trained on.
        accepted: True if it was put in force, False if the gate kept it aside.

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
    """Describe what would have happened to a client; counts are of requests.

    Attributes:
        client: Name in the log.
        label: Kind of client as labelled in the log; usually ``""``.
        requests: Requests in all.
        refused: Requests that the limiter would have refused.
        flagged: Requests sent while the client was anomalous, refused or not.
        static_refused: Requests that the same strategy refuses at the full limit with no model.
        first_flagged_request: Number of the first flagged request, counted from 1, or None.
        first_flagged_seconds: Seconds from the first request to the first flagged one, or None.

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
    """Describe the result of a replay; the members are those of the JSON report.

    Attributes:
        requests: Requests replayed.
        refused: Requests that the limiter would have refused.
        flagged: Requests of clients that were anomalous at the time.
        static_refused: Requests that the same strategy refuses at the full limit with no model.
        unreadable_lines: Lines of the log that were left out since they could not be read.
        models: The models trained, in order of time.
        clients: Every client of the log, in any order.
        server_answered_lines: Lines of requests that no app saw, which were left out, too.
    """

    requests: int
    refused: int
    flagged: int
    static_refused: int
    unreadable_lines: int
    models: tuple[ModelReport, ...]
    clients: tuple[ClientReport, ...]
    server_answered_lines: int = 0

    def ranked(self) -> list[ClientReport]:
        """Sort the clients: by refused, flagged and all requests, most first, then by name."""
        return sorted(self.clients, key=lambda c: (-c.refused, -c.flagged, -c.requests, c.client))

    def to_json(self) -> str:
        """Write the report as strict JSON in ASCII, a line for each model and client, ranked."""
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
            ReportError: The file can't be written there.
        """
        write_whole(path, self.to_json().encode("ascii"))


def _require_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; a finite number is needed")
