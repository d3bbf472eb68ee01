"""Train again and again on what has been, and forecast what comes next."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from threadpoolctl import threadpool_limits

from loadtests.forecasts.forecast import AHEAD, Forecast, Forecasts, empty
from loadtests.forecasts.series import BIN, DAY, Counts

PER_DAY: Final = int(DAY // BIN)
TRAINED_AFTER: Final = (1, 2, 4, 7)
"""Days after which a model is trained; from the last one on each week."""


class Model(Protocol):
    """Learn from all series at once."""

    def fit(self, counts: Counts, times: Counts) -> None:
        """Train on the bins that have been."""

    def forecast(self, counts: Counts, times: Counts, first: int) -> Forecast:
        """Forecast as of the end of each bin from ``first`` on: column ``first`` + i of the counts
        is the last one that the i-th forecast of each distance knows."""

    @property
    def state_bytes(self) -> int:
        """Give the bytes that are kept for each series."""

    @property
    def model_bytes(self) -> int:
        """Give the bytes of the trained model."""


@dataclass
class Clock:
    """Count the CPU time of a part of the work."""

    seconds: float = field(default=0.0)
    _started: float = 0.0

    def __enter__(self) -> None:
        self._started = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() - self._started


def walk(model: Model, counts: Counts, times: Counts) -> Forecasts:
    """Walk forward: train on the past, forecast until the next training.

    Args:
        model: A model that has learned nothing yet.
        counts: The counts of all series.
        times: Beginnings of the bins, in seconds since the epoch.
    """
    # Threads that wait for each other would count as CPU time.
    with threadpool_limits(1):
        return _walk(model, counts, times)


def _walk(model: Model, counts: Counts, times: Counts) -> Forecasts:
    found = empty(counts)
    fitting, forecasting = Clock(), Clock()
    bins = counts.shape[1]
    for start, end in _spans(bins):
        with fitting:
            model.fit(counts[:, :start], times[:start])
        # A forecast for a bin ahead is made that many bins before, at the earliest by this model.
        with forecasting:
            known = start - 1
            part = model.forecast(counts[:, :end], times[:end], known)
            for place, ahead in enumerate(AHEAD):
                last = min(end - 1 + ahead, bins) - (known + ahead)
                if last > 0:
                    target = slice(known + ahead, known + ahead + last)
                    found[place, :, :, target] = part[place, :, :, :last]
    return Forecasts(
        found, fitting.seconds, forecasting.seconds, model.state_bytes, model.model_bytes
    )


def _spans(bins: int) -> Iterator[tuple[int, int]]:
    """Give the bins at which a training is due, and the next ones."""
    days: Sequence[int] = [*TRAINED_AFTER, *range(TRAINED_AFTER[-1] + 7, bins // PER_DAY + 1, 7)]
    due = [day * PER_DAY for day in days if day * PER_DAY < bins]
    yield from zip(due, [*due[1:], bins], strict=True)
