"""Make reports of replays for tests."""

from __future__ import annotations

from flask_irl.replay.report import ClientReport, ModelReport, ReplayReport

EMPTY = ReplayReport(0, 0, 0, 0, 0, (), ())


def client(name: str, requests: int = 9, refused: int = 0, flagged: int = 0) -> ClientReport:
    """Report on a client."""
    return ClientReport(name, "", requests, refused, flagged, static_refused=0)


def report(*clients: ClientReport) -> ReplayReport:
    """Report on a replay of some clients."""
    return ReplayReport(
        requests=sum(c.requests for c in clients),
        refused=sum(c.refused for c in clients),
        flagged=sum(c.flagged for c in clients),
        static_refused=sum(c.static_refused for c in clients),
        unreadable_lines=2,
        models=(ModelReport(1.5, 1, 50, True), ModelReport(301.5, 2, 60, False)),
        clients=clients,
    )
