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


def judge_log(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Replay a real log in order of time, learning as it goes.

    Give totals, the same by kind of user agent (a faked browser counts as one), and the clients
    with most refusals.
    """
    failed: Counter[str] = Counter()
    agents: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def reading() -> Iterator[LogEntry]:
        for entry in LogReader(path):
            failed[entry.client] += 400 <= entry.status < 500
            agents[entry.client][entry.ua_class or "none"] += 1
            yield entry

    _, report = replay(reading(), config)
    agent = {client: kinds.most_common(1)[0][0] for client, kinds in agents.items()}
    by_agent: defaultdict[str, list[ClientReport]] = defaultdict(list)
    for client in report.clients:
        by_agent[agent[client.client]].append(client)
    return {
        "log": path.name,
        "models": len(report.models),
        "all": _totals(report.clients, failed),
        "agents": {kind: _totals(some, failed) for kind, some in sorted(by_agent.items())},
        "top": [
            {"client": c.client, "agent": agent[c.client], **_totals([c], failed)}
            for c in report.ranked()[:SHOWN]
        ],
    }


def _totals(clients: Sequence[ClientReport], failed: Counter[str]) -> dict[str, int]:
    return {
        "clients": len(clients),
        "flagged_clients": sum(c.flagged > 0 for c in clients),
        "requests": sum(c.requests for c in clients),
        "failed": sum(failed[c.client] for c in clients),
        "flagged": sum(c.flagged for c in clients),
        "refused": sum(c.refused for c in clients),
        "static": sum(c.static_refused for c in clients),
    }
