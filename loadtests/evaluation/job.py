"""Replay one log through the limiter, and sum up each family of clients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final
from unittest.mock import patch

from demo_app import create_app
from flask_irl.replay.formats import LogEntry
from flask_irl.replay.report import ClientReport, ReplayReport
from flask_irl.replay.routes import RouteFolder
from flask_irl.replay.runner import Replay
from flask_irl.telemetry.log import only_errors
from flask_irl.training import attacks
from flask_irl.verdicts.flush import Judged
from flask_irl.web.replay_plans import plans_for_log
from flask_irl.web.state import state_of
from loadtests.evaluation.plain import plain_rule
from loadtests.evaluation.realised import Realised, counter
from loadtests.simulator.scenarios import CLEAN_SHARE, EPOCH, generate, make_scene
from loadtests.simulator.scene import HOUR

KINDS: Final = ("steady", "irregular", "slow", "stuffing", "scan", "flood")
"""Names of the attacks of :data:`flask_irl.training.attacks.KINDS`, in order."""


@dataclass(frozen=True)
class Job:
    """Describe a log to make up, see :mod:`loadtests.simulator`, and to replay.

    Attributes:
        config: Options beside the demo app's own.
        without: Made-up attacks that the supervised detector isn't taught.
        plain: Let the plain rule judge the log, too.
    """

    scenario: str
    seed: int
    which: str = "held_out"
    hours: float = 10.0
    config: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    plain: bool = False


@dataclass
class Family:
    """Count the requests of a family in one log.

    Attributes:
        clients: Number of clients; ``flagged`` those that ever were.
        static: Requests that the limit alone would have refused.
        first_request: Median number of the request at the first flag; None if there was none.
        first_seconds: Median time of it, in seconds.
        late_requests: Requests after the hours of learning; ``late_flagged`` of flagged clients.
        plain_refused: Requests that the plain rule refuses; None where it doesn't judge.
        plain_flagged: Requests that it calls anomalous.
    """

    clients: int = 0
    requests: int = 0
    refused: int = 0
    static: int = 0
    flagged: int = 0
    first_request: float | None = None
    first_seconds: float | None = None
    late_requests: int = 0
    late_flagged: int = 0
    plain_refused: int | None = None
    plain_flagged: int | None = None


def run(job: Job) -> dict[str, Any]:
    """Replay a job's log, and give its figures."""
    rows = generate(job.scenario, job.seed, job.hours, job.which)
    learned = learned_at(job)
    labels = {row.client: row.label for row in rows}
    realised = Realised()
    with taught_without(job.without):
        early, report = replay(rows, job.config, learned, counter(realised, labels))
    summed = families(report, early)
    if job.plain:
        route = RouteFolder().route
        routes = (route(row.method, row.path) for row in rows)
        for label, outcome in plain_rule(rows, routes, learned).items():
            summed[label].plain_refused = outcome.refused
            summed[label].plain_flagged = outcome.flagged
    return {
        "scenario": job.scenario,
        "seed": job.seed,
        "set": job.which,
        "hours": job.hours,
        "models": len(report.models),
        "accepted": sum(model.accepted for model in report.models),
        "realised": asdict(realised),
        "families": {label: asdict(family) for label, family in summed.items()},
    }


def learned_at(job: Job) -> float:
    """Give the end of the hours of learning: the clean ones, or as many where none are."""
    scene = make_scene(job.scenario, job.seed, job.hours, job.which)
    return EPOCH + (scene.begins + job.hours * CLEAN_SHARE) * HOUR


@contextmanager
def taught_without(kinds: Sequence[str]) -> Iterator[None]:
    """Leave whole families out of what the supervised detector is taught."""
    taught = tuple(k for name, k in zip(KINDS, attacks.KINDS, strict=True) if name not in kinds)
    with patch.object(attacks, "KINDS", taught):
        yield


@contextmanager
def replaying(config: Mapping[str, Any]) -> Iterator[Replay]:
    """Open the replay of ``irl replay`` on the demo app."""
    with only_errors():
        app = create_app({"REDIS_URL": "memory://", **config})
        state = state_of(app)
        with app.app_context():
            course = Replay(
                state.options, route=RouteFolder(app.url_map).route, plan=plans_for_log(app, state)
            )
            try:
                yield course
            finally:
                course.close()
                state.limiter.close()


def replay(
    entries: Iterable[LogEntry],
    config: Mapping[str, Any],
    until: float = 0.0,
    on_judged: Callable[[Judged], object] | None = None,
) -> tuple[ReplayReport, ReplayReport]:
    """Run requests through the limiter; return the reports at a time and at the end."""
    with replaying(config) as course:
        if on_judged is not None:
            course.profiler.on_judged = on_judged
        early = course.report()
        learning = True
        for entry in entries:
            if learning and entry.ts >= until:
                learning, early = False, course.report()
            course.one(entry)
        report = course.report()
        return (report if learning else early), report


def families(report: ReplayReport, early: ReplayReport | None = None) -> dict[str, Family]:
    """Sum up a report's clients by label; ``early`` is the report at the end of learning."""
    summed: defaultdict[str, Family] = defaultdict(Family)
    firsts: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    before = {client.client: client for client in early.clients} if early else {}
    for client in report.clients:
        _add(summed[client.label], client, before.get(client.client))
        if client.first_flagged_request is not None and client.first_flagged_seconds is not None:
            firsts[client.label].append(
                (client.first_flagged_request, client.first_flagged_seconds)
            )
    for label, pairs in firsts.items():
        summed[label].first_request = median(number for number, _ in pairs)
        summed[label].first_seconds = median(seconds for _, seconds in pairs)
    return dict(sorted(summed.items()))


def _add(family: Family, client: ClientReport, before: ClientReport | None) -> None:
    family.clients += 1
    family.requests += client.requests
    family.refused += client.refused
    family.static += client.static_refused
    family.flagged += client.flagged > 0
    family.late_requests += client.requests - (before.requests if before else 0)
    family.late_flagged += client.flagged - (before.flagged if before else 0)
