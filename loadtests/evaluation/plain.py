"""The plain reading of the idea, to compare with: six features, a raw score, 30 % of the limit."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from flask_irl.limits.strategies.base import EMPTY, Cell
from flask_irl.limits.strategies.sliding_window import sliding_window_counter

ANOMALOUS: Final = -0.5
"""Of scikit-learn's ``score_samples``."""
LIMIT: Final = 100
HELD: Final = 30
WINDOW: Final = 60.0
SEED: Final = 0


class Request(Protocol):
    """What the rule reads of a row of a log."""

    @property
    def ts(self) -> float: ...
    @property
    def client(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def label(self) -> str: ...


@dataclass
class Outcome:
    """What the plain rule does to a family; counts are of requests."""

    requests: int = 0
    flagged: int = 0
    refused: int = 0


class _Past:
    """A client's requests of the last window: moments of the times between them."""

    __slots__ = ("_gaps", "_squares", "_sum", "times")

    def __init__(self) -> None:
        self.times: deque[float] = deque()
        self._gaps: deque[float] = deque()
        self._sum = self._squares = 0.0

    def add(self, now: float) -> tuple[int, float, float]:
        """The count, and mean and standard deviation of the intervals, this request included."""
        if self.times:
            self._note(now - self.times[-1])
        self.times.append(now)
        while self.times[0] < now - WINDOW:
            self.times.popleft()
            gap = self._gaps.popleft()
            self._sum -= gap
            self._squares -= gap * gap
        count = len(self._gaps)
        if not count:
            self._sum = self._squares = 0.0
            return len(self.times), 0.0, 0.0
        mean = self._sum / count
        return len(self.times), mean, sqrt(max(self._squares / count - mean * mean, 0.0))

    def _note(self, gap: float) -> None:
        self._gaps.append(gap)
        self._sum += gap
        self._squares += gap * gap


def features(rows: Iterable[Request], routes: Iterable[str]) -> NDArray[np.float64]:
    """Hour, weekday, count in the window, the endpoint as a number, mean and std of intervals."""
    pasts: defaultdict[str, _Past] = defaultdict(_Past)
    numbers: dict[str, int] = {}
    found = []
    for row, route in zip(rows, routes, strict=True):
        moment = time.gmtime(row.ts)
        count, mean, deviation = pasts[row.client].add(row.ts)
        number = numbers.setdefault(route, len(numbers))
        found.append((moment.tm_hour, moment.tm_wday, count, number, mean, deviation))
    return np.array(found, dtype=np.float64).reshape(-1, 6)


def anomalous(table: NDArray[np.float64], learned: int) -> NDArray[np.bool_]:
    """Which requests a forest trained on the first ``learned`` ones calls anomalous."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=100, random_state=SEED).fit(table[:learned])
    odd: NDArray[np.bool_] = forest.score_samples(table) < ANOMALOUS
    odd[:learned] = False
    return odd


def held(rows: Sequence[Request], odd: Iterable[bool]) -> dict[str, Outcome]:
    """What becomes of each family where anomalous requests have 30 % of the limit."""
    cells: dict[str, Cell] = {}
    found: defaultdict[str, Outcome] = defaultdict(Outcome)
    for row, is_odd in zip(rows, odd, strict=True):
        outcome = found[row.label]
        amount = HELD if is_odd else LIMIT
        probe = sliding_window_counter(
            cells.get(row.client, EMPTY), row.ts * 1e6, amount, WINDOW * 1e6, amount, 1
        )
        outcome.requests += 1
        outcome.flagged += bool(is_odd)
        if probe.admitted:
            cells[row.client] = probe.cell
        else:
            outcome.refused += 1
    return dict(found)


def plain_rule(rows: Sequence[Request], routes: Iterable[str], until: float) -> dict[str, Outcome]:
    """What becomes of each family of a log under the plain rule.

    Args:
        rows: In order of time.
        routes: Of each row.
        until: It learns from what came before, and judges what comes after.
    """
    learned = sum(1 for row in rows if row.ts < until)
    if learned < 2:
        return held(rows, [False] * len(rows))
    return held(rows, anomalous(features(rows, routes), learned).tolist())
