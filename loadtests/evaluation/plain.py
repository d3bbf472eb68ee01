"""Apply the plain reading of the idea, for comparison: six features, a raw score, 30%."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.limits.strategies.base import EMPTY, Cell
from flask_irl.limits.strategies.sliding_window import sliding_window_counter
from loadtests.simulator.scene import Row

LIMIT, HELD = 100, 30
WINDOW: Final = 60.0


@dataclass
class Outcome:
    """Count a family's requests under the plain rule."""

    flagged: int = 0
    refused: int = 0


def features(rows: Iterable[Row], routes: Iterable[str]) -> NDArray[np.float64]:
    """Compute hour, weekday, count in the window, endpoint, mean and std of intervals."""
    pasts: defaultdict[str, deque[float]] = defaultdict(deque)
    numbers: dict[str, int] = {}
    columns = []
    for row, route in zip(rows, routes, strict=True):
        moment = time.gmtime(row.ts)
        times = pasts[row.client]
        times.append(row.ts)
        while times[0] < row.ts - WINDOW:
            times.popleft()
        gaps = np.diff(times) if len(times) > 1 else np.zeros(1)
        number = numbers.setdefault(route, len(numbers))
        own = (len(times), number, gaps.mean(), gaps.std())
        columns.append((moment.tm_hour, moment.tm_wday, *own))
    return np.array(columns, dtype=np.float64).reshape(-1, 6)


def anomalous(table: NDArray[np.float64], learned: int) -> NDArray[np.bool_]:
    """Mark the requests that a forest trained on the first ``learned`` ones calls anomalous."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=100, random_state=0).fit(table[:learned])
    odd: NDArray[np.bool_] = forest.score_samples(table) < -0.5
    odd[:learned] = False
    return odd


def apply_limit(rows: Sequence[Row], odd: Iterable[bool]) -> dict[str, Outcome]:
    """Count by family, where anomalous requests have 30 % of the limit."""
    cells: dict[str, Cell] = {}
    outcomes: defaultdict[str, Outcome] = defaultdict(Outcome)
    for row, is_odd in zip(rows, odd, strict=True):
        outcome = outcomes[row.label]
        amount = HELD if is_odd else LIMIT
        probe = sliding_window_counter(
            cells.get(row.client, EMPTY), row.ts * 1e6, amount, WINDOW * 1e6, amount, 1
        )
        outcome.flagged += bool(is_odd)
        if probe.admitted:
            cells[row.client] = probe.cell
        else:
            outcome.refused += 1
    return dict(outcomes)


def plain_rule(rows: Sequence[Row], routes: Iterable[str], until: float) -> dict[str, Outcome]:
    """Count by family of a log under the plain rule, which learns until a time, and then judges."""
    learned = sum(1 for row in rows if row.ts < until)
    if learned < 2:
        return apply_limit(rows, [False] * len(rows))
    return apply_limit(rows, anomalous(features(rows, routes), learned).tolist())
