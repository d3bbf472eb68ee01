"""Judge real logs, which have no labels, by their clients' agents and failures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flask_irl.replay.formats import LogEntry
from flask_irl.replay.logs import LogReader
from flask_irl.replay.report import ClientReport
from loadtests.evaluation.job import replay

SHOWN: Final = 12


class _Notes:
    """Note failures and agents of a log's clients."""

    def __init__(self) -> None:
        self.failed: Counter[str] = Counter()
        self.agents: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def reading(self, entries: LogReader) -> Iterator[LogEntry]:
        for entry in entries:
            self.failed[entry.client] += 400 <= entry.status < 500
            self.agents[entry.client][entry.ua_class or "none"] += 1
            yield entry

    def agent(self, client: str) -> str:
        return self.agents[client].most_common(1)[0][0]


def judge_log(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Replay a real log in order of time, learning as it goes.

    Give totals, the same by kind of user agent (a faked browser counts as one), and the clients
    with most refusals.
    """
    notes = _Notes()
    _, report = replay(notes.reading(LogReader(path)), config)
    by_agent: defaultdict[str, list[ClientReport]] = defaultdict(list)
    for client in report.clients:
        by_agent[notes.agent(client.client)].append(client)
    return {
        "log": path.name,
        "models": len(report.models),
        "all": _totals(report.clients, notes),
        "agents": {agent: _totals(some, notes) for agent, some in sorted(by_agent.items())},
        "top": [
            {"client": c.client, "agent": notes.agent(c.client), **_totals([c], notes)}
            for c in report.ranked()[:SHOWN]
        ],
    }


def _totals(clients: Sequence[ClientReport], notes: _Notes) -> dict[str, int]:
    return {
        "clients": len(clients),
        "flagged_clients": sum(c.flagged > 0 for c in clients),
        "requests": sum(c.requests for c in clients),
        "failed": sum(notes.failed[c.client] for c in clients),
        "flagged": sum(c.flagged for c in clients),
        "refused": sum(c.refused for c in clients),
        "static": sum(c.static_refused for c in clients),
    }
