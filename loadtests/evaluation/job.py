"""One log through the limiter: what became of each family of clients."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from demo_app import create_app
from flask_irl.app_state import state_of
from flask_irl.cli.replaying import planner
from flask_irl.replay.logs import LogEntry
from flask_irl.replay.report import ReplayReport
from flask_irl.replay.routes import RouteFolder
from flask_irl.replay.runner import Replay
from loadtests.simulator.scenarios import generate


@dataclass(frozen=True)
class Job:
    """A log to make up and replay.

    Attributes:
        scenario: See :mod:`loadtests.simulator`, as for the others.
        seed: Of the site and its clients.
        which: Set of parameters.
        hours: How long it is.
        config: Options beside the demo app's own.
    """

    scenario: str
    seed: int
    which: str = "held_out"
    hours: float = 10.0
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Family:
    """What became of a family in one log.

    Attributes:
        clients: How many there were.
        requests: What they sent.
        refused: What was refused.
        static: What the limit alone would have refused.
        flagged: Clients ever flagged.
        first_request: Median number of the request at the first flag; None if there was none.
        first_seconds: Median time of it, in seconds.
    """

    clients: int = 0
    requests: int = 0
    refused: int = 0
    static: int = 0
    flagged: int = 0
    first_request: float | None = None
    first_seconds: float | None = None


def run(job: Job) -> dict[str, Any]:
    """Replay a job's log; its families, by label."""
    rows = generate(job.scenario, job.seed, job.hours, job.which)
    entries = (
        LogEntry(r.ts, r.client, r.method, r.path, r.status, r.size, r.ua_class, r.label)
        for r in rows
    )
    report = replay(entries, job.config)
    return {
        "scenario": job.scenario,
        "seed": job.seed,
        "set": job.which,
        "models": len(report.models),
        "accepted": sum(model.accepted for model in report.models),
        "families": {label: asdict(found) for label, found in families(report).items()},
    }


def replay(entries: Iterable[LogEntry], config: Mapping[str, Any]) -> ReplayReport:
    """Run requests through the limiter as ``irl replay`` on the demo app does."""
    logging.getLogger("flask_irl").setLevel(logging.ERROR)
    app = create_app({"REDIS_URL": "memory://", **config})
    state = state_of(app)
    route = RouteFolder(app.url_map).route
    with app.app_context():
        course = Replay(state.options, route=route, plan=planner(app, state))
        try:
            for entry in entries:
                course.one(entry)
            return course.report()
        finally:
            course.close()
            state.limiter.close()


def families(report: ReplayReport) -> dict[str, Family]:
    """A report's clients, summed up by label."""
    found: defaultdict[str, Family] = defaultdict(Family)
    firsts: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for client in report.clients:
        family = found[client.label]
        family.clients += 1
        family.requests += client.requests
        family.refused += client.refused
        family.static += client.static_refused
        family.flagged += client.flagged > 0
        if client.first_flagged_request is not None and client.first_flagged_seconds is not None:
            firsts[client.label].append(
                (client.first_flagged_request, client.first_flagged_seconds)
            )
    for label, pairs in firsts.items():
        found[label].first_request = median(number for number, _ in pairs)
        found[label].first_seconds = median(seconds for _, seconds in pairs)
    return dict(sorted(found.items()))
