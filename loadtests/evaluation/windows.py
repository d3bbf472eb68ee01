"""Judge detection on windows of real logs, into which attackers are injected.

A window is three days on which the log has entries: a day of learning, two that are judged.
Windows of the set ``design`` and of ``held_out`` share no day, so that one may be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from flask_irl.replay.formats import LogEntry
from flask_irl.replay.logs import LogReader
from flask_irl.replay.report import ClientReport, ReplayReport
from loadtests.evaluation.ground import survey, weak_labels
from loadtests.evaluation.injection import DAY, inject
from loadtests.evaluation.job import as_figures, families, replay, taught_without
from loadtests.evaluation.left_out import GROUPS, SELDOM
from loadtests.simulator.scene import HOUR

DAYS: Final = 3
WINDOWS: Final = 3
COLD_HOURS: Final = 4.0
SETS: Final = ("held_out", "design")


@dataclass(frozen=True)
class Window:
    """Describe a window of a real log to replay; ``number`` counts from 0.

    ``cold`` replays its first hours, with attackers in the first ten minutes. ``config`` and
    ``left_out`` are as :class:`~loadtests.evaluation.job.Job` has them.
    """

    path: Path
    number: int
    which: str = "held_out"
    left_out: str = ""
    cold: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)


def judge_window(window: Window) -> dict[str, Any]:
    """Replay a window, and give its figures: of the log's own clients, from the judged days on."""
    entries, learned = window_of(window.path, window.number, window.which)
    labels = weak_labels(entries)
    entries = [entry._replace(label=labels[entry.client]) for entry in entries]
    ground = survey([entry for entry in entries if entry.ts < learned])
    if window.cold:
        entries = [entry for entry in entries if entry.ts < entries[0].ts + COLD_HOURS * HOUR]
        learned = entries[0].ts
    seed = f"{window.which}/{window.path.name}/{window.number}/{window.cold}"
    rows = inject(entries, ground, learned, seed, window.cold)
    with taught_without(GROUPS.get(window.left_out, ())):
        early, report = replay(rows, window.config, learned)
    judged = since(report, early)
    return {
        "log": window.path.name.partition(".")[0],
        "window": window.number,
        "set": window.which,
        "scenario": "cold_start" if window.cold else "injected",
        "left_out": window.left_out,
        "days": len({entry.ts // DAY for entry in entries}),
        "models": len(report.models),
        "accepted": sum(model.accepted for model in report.models),
        **as_figures(families(judged), families(judged, styles=True)),
    }


def window_of(path: Path, number: int, which: str) -> tuple[list[LogEntry], float]:
    """Give a window's entries, and the time at which it is judged from."""
    entries = _entries(path)
    days = sorted({entry.ts // DAY for entry in entries})
    blocks = [days[i : i + DAYS] for i in range(0, len(days) - DAYS + 1, DAYS)]
    # A log of fewer days is one window; of the others every second one is for development.
    own = blocks[SETS.index(which) :: 2] or blocks or [days]
    chosen = own[number * len(own) // WINDOWS]
    some = [entry for entry in entries if entry.ts // DAY in chosen]
    return some, chosen[min(1, len(chosen) - 1)] * DAY


@lru_cache(maxsize=2)
def _entries(path: Path) -> list[LogEntry]:
    return list(LogReader(path))


def since(report: ReplayReport, early: ReplayReport) -> ReplayReport:
    """Count the log's own clients from the end of learning on; attackers all along."""
    before = {client.client: client for client in early.clients}
    return replace(report, clients=tuple(_rest(report.clients, before)))


def _rest(
    clients: Sequence[ClientReport], before: Mapping[str, ClientReport]
) -> Sequence[ClientReport]:
    rest = []
    for client in clients:
        past = before.get(client.client)
        if past and not client.label.startswith("attack:"):
            if past.requests == client.requests:
                continue
            client = replace(
                client,
                requests=client.requests - past.requests,
                refused=client.refused - past.refused,
                flagged=client.flagged - past.flagged,
                static_refused=client.static_refused - past.static_refused,
            )
        rest.append(client)
    return rest


def windows(
    paths: Sequence[Path], which: str, config: Mapping[str, Any], quick: bool = False
) -> list[Window]:
    """List the windows of some logs to replay: as taught, without each group, and cold.

    A ``quick`` list has one window of each log, and leaves no group out.
    """
    without = () if quick else tuple((name, False) for name in GROUPS)
    return [
        Window(path, number, which, left_out, cold, config if cold else {**SELDOM, **config})
        for path in paths
        for number in range(1 if quick else WINDOWS)
        for left_out, cold in (("", False), *without, ("", True))
    ]
