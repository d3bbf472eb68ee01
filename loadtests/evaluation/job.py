"""Replay one log through the limiter, and sum up each family of clients.

Beside the families, the unseen legitimate requests that the calibrated score alone would flag are
counted. In service it never speaks alone: regulars are judged by their own past, scores are
smoothed, and flagged clients are refused. So the judge is watched, and its raw scores are counted
by the promise of the calibration: of all requests of clients that are no regulars, the share of
those that do harm, as far as :func:`flask_irl.behaviour.harm.harmful` can tell, and score below
-0.5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np

from demo_app import create_app
from flask_irl.behaviour import profile
from flask_irl.behaviour.harm import harmful
from flask_irl.model.calibration import THRESHOLD
from flask_irl.replay import runner
from flask_irl.replay.formats import LogEntry
from flask_irl.replay.report import ReplayReport
from flask_irl.replay.routes import RouteFolder
from flask_irl.replay.runner import Replay
from flask_irl.telemetry.log import only_errors
from flask_irl.training.attacks import KINDS
from flask_irl.training.forests import fit_detector
from flask_irl.verdicts.flush import Judged
from flask_irl.web.replay_plans import logins_for_log, plans_for_log
from flask_irl.web.state import state_of
from loadtests.evaluation.ground import survey
from loadtests.evaluation.injection import inject
from loadtests.evaluation.left_out import GROUPS
from loadtests.evaluation.plain import plain_rule
from loadtests.simulator.scenarios import CLEAN_SHARE, EPOCH, SCENARIOS, generate, make_scene
from loadtests.simulator.scene import HOUR

Task = tuple[str, partial[Any]]
"""Part of the results, and the work that gives an entry of it, or a list of entries."""


def work(task: Task) -> tuple[str, str, Any]:
    """Do a task, and give its name, its part and its result.

    Here, since a process that was not forked finds nothing in ``__main__``.
    """
    part, do = task
    return name_of(task), part, do()


def name_of(task: Task) -> str:
    """Name a task by all that it is given: the same in every run."""
    part, do = task
    return f"{part} {do.func.__name__}{do.args}"


@dataclass(frozen=True)
class Job:
    """Describe a log to make up, see :mod:`loadtests.simulator`, and to replay.

    ``config`` has options beside the demo app's own; the supervised detector is taught ``without``
    some made-up attacks, and without those of the group ``left_out``, see
    :mod:`loadtests.evaluation.left_out`.
    """

    scenario: str
    seed: int
    which: str = "held_out"
    hours: float = 10.0
    config: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    left_out: str = ""


@dataclass
class Family:
    """Count the requests of a family in one log; ``flagged`` counts clients that ever were.

    ``harmed`` counts clients of which more was refused than the limit alone would have.
    ``static`` are the requests that the limit alone would have refused, the ``late`` ones those
    after the hours of learning. The first flag is told by the medians of the request's number and
    of the time in seconds. ``plain_refused`` and ``plain_flagged`` are the plain rule's decisions.
    """

    clients: int = 0
    requests: int = 0
    refused: int = 0
    static: int = 0
    flagged: int = 0
    harmed: int = 0
    first_request: float | None = None
    first_seconds: float | None = None
    late_requests: int = 0
    late_flagged: int = 0
    plain_refused: int = 0
    plain_flagged: int = 0


@dataclass
class Realised:
    """Count requests of legitimate clients that are no regulars, once a model is in force.

    ``labels`` are those of the clients; ``flagged`` counts the requests of clients with a
    calibrated score, at that moment, below -0.5.
    """

    labels: Mapping[str, str]
    requests: int = 0
    flagged: int = 0

    def count(self, judged: Judged) -> None:
        """Count the clients judged together, as :attr:`Profiler.on_judged` has it."""
        model, profiles, verdicts = judged.model, judged.profiles, judged.verdicts
        if not model.version or model.advisory:
            return
        legitimate = [self.labels.get(c, "").startswith("legit:") for c in profiles.clients]
        counted = np.where(verdicts.regular, 0, np.where(legitimate, profiles.observations, 0))
        odd = (verdicts.model_scores < THRESHOLD) & harmful(verdicts.features)
        enough = profile.sums_of(profiles.records, "n") >= judged.ladder.evidence
        self.requests += int(counted.sum())
        self.flagged += int(counted[odd & enough].sum())


def run(job: Job) -> dict[str, Any]:
    """Replay a job's log, and give its figures."""
    rows = generate(job.scenario, job.seed, job.hours, job.which)
    learned = learned_at(job)
    if SCENARIOS[job.scenario].injected:
        known = [row for row in rows if row.ts < learned]
        rows = inject(rows, survey(known), learned, f"{job.which}/{job.seed}/{job.scenario}")
    realised = Realised({row.client: row.label for row in rows})
    with taught_without((*job.without, *GROUPS.get(job.left_out, ()))):
        early, report = replay(rows, job.config, learned, realised)
    summed = families(report, early)
    # The plain rule is taught nothing: once for a seed is enough.
    if job.scenario == "ordinary" and not job.left_out:
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
        "left_out": job.left_out,
        "models": len(report.models),
        "accepted": sum(model.accepted for model in report.models),
        "realised": {"requests": realised.requests, "flagged": realised.flagged},
        **as_figures(summed, families(report, early, styles=True)),
    }


def as_figures(summed: Mapping[str, Family], styles: Mapping[str, Family]) -> dict[str, Any]:
    """Give the members of a log's figures: its families, and attackers' styles."""
    return {
        "families": {label: asdict(family) for label, family in summed.items()},
        "styles": {label: asdict(family) for label, family in styles.items() if "/" in label},
    }


def learned_at(job: Job) -> float:
    """Give the end of the hours of learning: the clean ones, or as many where none are."""
    scene = make_scene(job.scenario, job.seed, job.hours, job.which)
    return EPOCH + (scene.begins + job.hours * CLEAN_SHARE) * HOUR


@contextmanager
def taught_without(kinds: Sequence[str]) -> Iterator[None]:
    """Leave kinds of attack, by name, out of what replays' supervised detectors are taught."""
    taught = {name: kind for name, kind in KINDS.items() if name not in kinds}
    with patch.object(runner, "fit_here", partial(fit_detector, kinds=taught)):
        yield


@contextmanager
def replaying(config: Mapping[str, Any]) -> Iterator[Replay]:
    """Open the replay of ``irl replay`` on the demo app."""
    with only_errors():
        app = create_app({"IRL_STORAGE_URI": "memory://", **config})
        state = state_of(app)
        with app.app_context():
            course = Replay(
                state.options,
                route=RouteFolder(app.url_map).route,
                plan=plans_for_log(app, state),
                login=logins_for_log(app, state),
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
    realised: Realised | None = None,
) -> tuple[ReplayReport, ReplayReport]:
    """Run requests through the limiter; return the reports at a time and at the end."""
    with replaying(config) as course:
        if realised is not None:
            course.profiler.on_judged = realised.count
        early = None
        for entry in entries:
            if early is None and entry.ts >= until:
                early = course.report()
            course.one(entry)
        report = course.report()
        return early or report, report


def families(
    report: ReplayReport, early: ReplayReport | None = None, styles: bool = False
) -> dict[str, Family]:
    """Sum up a report's clients by family.

    A label is a family, and after a slash a style of it, which counts only with ``styles``;
    ``early`` is the report at the end of learning.
    """
    summed: defaultdict[str, Family] = defaultdict(Family)
    firsts: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    before = {client.client: client for client in early.clients} if early else {}
    for client in report.clients:
        label = client.label if styles else client.label.partition("/")[0]
        family, past = summed[label], before.get(client.client)
        family.clients += 1
        family.requests += client.requests
        family.refused += client.refused
        family.static += client.static_refused
        family.flagged += client.flagged > 0
        family.harmed += client.refused > client.static_refused
        family.late_requests += client.requests - (past.requests if past else 0)
        family.late_flagged += client.flagged - (past.flagged if past else 0)
        number, seconds = client.first_flagged_request, client.first_flagged_seconds
        if number is not None and seconds is not None:
            firsts[label].append((number, seconds))
    for label, pairs in firsts.items():
        numbers, times = zip(*pairs, strict=True)
        summed[label].first_request, summed[label].first_seconds = median(numbers), median(times)
    return dict(sorted(summed.items()))
