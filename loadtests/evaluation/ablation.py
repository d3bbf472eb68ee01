"""Measure the worth of groups of features: the detector alone, with a group made meaningless.

On rows of a log, nobody refused: no ladder, no rules beside the model, no smoothing. So figures
are lower than those of the whole limiter, and only their differences tell.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.events import events_of
from flask_irl.behaviour.features import FEATURE_NAMES, matrix
from flask_irl.behaviour.folding import fold
from flask_irl.behaviour.harm import harmful
from flask_irl.behaviour.observation import Observation
from flask_irl.behaviour.sums import View
from flask_irl.model.calibration import calibrate_by_impact
from flask_irl.replay.routes import RouteFolder
from flask_irl.training import attacks
from flask_irl.training.forests import fit_detector
from flask_irl.training.training_set import TrainingSet
from loadtests.evaluation.job import Job, learned_at
from loadtests.simulator.scenarios import generate
from loadtests.simulator.scene import Row

GROUPS: Final[Mapping[str, Sequence[str]]] = {
    "hour and weekday": ("hour_rarity", "weekday_rarity"),
    "rates": ("requests_per_minute", "sustained_rate", "rate_ratio", "hourly_rate"),
    "intervals": "interval_mean interval_deviation interval_variation interval_entropy".split(),
    "failing answers": (
        "denied_share missing_share bad_share failed_share failures_per_minute failed_write_share"
    ).split(),
    "paths that don't exist": ("unknown_path_share", "hourly_unknown_share"),
    "new paths": (
        "new_path_share new_paths_per_minute sustained_new_paths hourly_new_paths paths_in_use"
    ).split(),
    "routes": ("endpoint_rarity", "route_entropy", "top_route_share"),
    "methods": ("write_share", "probe_share"),
    "refused": ("refused_share",),
    "sizes": ("size_mean", "size_deviation"),
}
ROW_SECONDS: Final = 30.0
EVIDENCE: Final = 8.0
BUDGET: Final = 0.0005
REGULAR_ROWS: Final = 20
"""Rows while learning from which a client is judged by its own past: not here."""


class Table(NamedTuple):
    """Hold rows of features in the order of ``FEATURE_NAMES``, and columns beside them.

    ``late`` rows come after the hours of learning; ``requests`` are those behind a row, ``routes``
    the shares of the site's routes, as learned.
    """

    features: NDArray[np.float32]
    label: NDArray[np.str_]
    client: NDArray[np.int64]
    late: NDArray[np.bool_]
    requests: NDArray[np.float64]
    routes: Mapping[str, float]


def ablate(
    seed: int, which: str, hours: float, each: bool = False, kind: str = "blend"
) -> dict[str, Any]:
    """Judge the detector of a kind on one log with all features, and without each group.

    With ``each``, leave out every single feature, too.
    """
    table = table_of(Job("ordinary", seed, which, hours))
    groups: dict[str, Sequence[str]] = {"nothing": (), **GROUPS}
    if each:
        groups |= {name: (name,) for name in FEATURE_NAMES}
    return {
        "seed": seed,
        "set": which,
        "detector": kind,
        "without": {name: judge(table, columns, kind) for name, columns in groups.items()},
    }


def table_of(job: Job) -> Table:
    """Make the rows of a log, one a client and half minute."""
    rows = generate(job.scenario, job.seed, job.hours, job.which)
    learned = learned_at(job)
    route = RouteFolder().route
    names = [route(row.method, row.path) for row in rows]
    counts = Counter(n for n, row in zip(names, rows, strict=True) if row.ts < learned)
    routes = {name: n / counts.total() for name, n in counts.items()}
    clients = {name: i for i, name in enumerate(dict.fromkeys(row.client for row in rows))}
    labels = {row.client: row.label for row in rows}
    records = profile.decode([b""] * len(clients))
    parts: list[tuple[NDArray[np.float32], list[str], list[int], float, NDArray[Any]]] = []
    everybody = list(clients)
    for ts, observations in _slices(rows, names):
        owners = [clients[o.client] for o in observations]
        active, places, requests = np.unique(owners, return_inverse=True, return_counts=True)
        some = records[active]
        fold(some, events_of(places.tolist(), observations, routes))
        records[active] = some
        enough = profile.sums_of(some, "n") >= EVIDENCE
        if enough.any():
            ids = active[enough].tolist()
            features = matrix(profile.view(some[enough], 0.0, 0.0))
            parts.append((features, [labels[everybody[i]] for i in ids], ids, ts, requests[enough]))
    return Table(
        np.concatenate([f for f, *_ in parts]),
        np.array([label for _, some_labels, *_ in parts for label in some_labels]),
        np.array([i for _, _, ids, *_ in parts for i in ids]),
        np.repeat([ts >= learned for *_, ts, _ in parts], [len(f) for f, *_ in parts]),
        np.concatenate([requests for *_, requests in parts]).astype(np.float64),
        routes,
    )


def judge(table: Table, without: Sequence[str], kind: str) -> dict[str, float]:
    """Give the share of each family's later requests whose rows the detector flags, in percent.

    It learns, and is calibrated, on clients of the hours of learning that are no regulars;
    ``legit`` is the share of legitimate newcomers afterwards.
    """
    columns = [FEATURE_NAMES.index(name) for name in without]
    early = ~table.late
    middle = np.median(table.features[early], axis=0)
    features = table.features.copy()
    features[:, columns] = middle[columns]

    def masked(view: View) -> NDArray[np.float32]:
        rows = matrix(view)
        rows[:, columns] = middle[columns]
        return rows

    ids, counts = np.unique(table.client[early], return_counts=True)
    regular = np.isin(table.client, ids[counts >= REGULAR_ROWS])
    calibrating = early & ~regular & (table.client % 4 == 0)
    fitted = early & ~calibrating
    with patch.object(attacks, "matrix", masked):
        detector = fit_detector(
            TrainingSet(kind, features[fitted], 1, ~regular[fitted], routes=table.routes)
        )
    # Harm is decided by a rule, which sees all features.
    harm = harmful(table.features)
    scores = detector.score(features)
    calibration = calibrate_by_impact(
        scores[calibrating], harm[calibrating], table.requests[calibrating], BUDGET, detector.floor
    )
    flagged = harm & (calibration.apply(scores) < -0.5)
    legitimate = np.char.startswith(table.label, "legit:")
    parts = {
        label: table.late & (table.label == label) for label in np.unique(table.label[~legitimate])
    }
    parts["legit"] = table.late & legitimate & ~regular
    return {
        str(label): round(100.0 * float(table.requests[part & flagged].sum() / total), 3)
        for label, part in parts.items()
        if (total := float(table.requests[part].sum()))
    }


def _slices(rows: Sequence[Row], routes: Sequence[str]) -> list[tuple[float, list[Observation]]]:
    """Turn requests into observations, half a minute at a time."""
    last: dict[str, float] = {}
    slices: dict[int, list[Observation]] = {}
    for row, route in zip(rows, routes, strict=True):
        before = last.get(row.client)
        last[row.client] = row.ts
        gap = -1.0 if before is None else row.ts - before
        path = zlib.crc32(row.path.encode())
        request = (row.client, row.ts, gap, route, path, row.method, row.status, row.size)
        slices.setdefault(int(row.ts // ROW_SECONDS), []).append(
            Observation(*request, False, 1, False)
        )
    return [(number * ROW_SECONDS, slices[number]) for number in sorted(slices)]
