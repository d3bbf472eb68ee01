"""Forecast by gradient-boosted quantiles, trained on all series at once."""

from __future__ import annotations

import pickle
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from loadtests.forecasts.batch import PER_DAY, walk
from loadtests.forecasts.forecast import AHEAD, QUANTILES, Forecast, Forecasts
from loadtests.forecasts.series import DAY, Counts

LAGS: Final = (0, 1, 2, 5)
MEANS: Final = (12, 72, PER_DAY)
"""Bins over which means are taken: an hour, six, a day."""
MOST_ROWS: Final = 20_000


class Boosted:
    """Hold a regressor for each distance and quantile."""

    def __init__(self) -> None:
        self._models: list[list[HistGradientBoostingRegressor]] = []
        self._rng = np.random.default_rng(1)

    def fit(self, counts: Counts, times: Counts) -> None:
        """Train on rows drawn from all bins that have been."""
        self._models = []
        bins = counts.shape[1]
        for ahead in AHEAD:
            features = _features(counts, times, ahead, 0)[:, : bins - ahead]
            rows = features.reshape(-1, features.shape[-1])
            targets = np.log1p(counts[:, ahead:]).ravel()
            chosen = self._rng.permutation(len(rows))[:MOST_ROWS]
            self._models.append(
                [
                    HistGradientBoostingRegressor(
                        loss="quantile",
                        quantile=quantile,
                        max_iter=60,
                        max_leaf_nodes=15,
                        min_samples_leaf=100,
                        early_stopping=False,
                        random_state=1,
                    ).fit(rows[chosen], targets[chosen])
                    for quantile in QUANTILES
                ]
            )

    def forecast(self, counts: Counts, times: Counts, first: int) -> Forecast:
        """Forecast as of the end of each bin from ``first`` on."""
        found = np.empty((len(AHEAD), len(QUANTILES), len(counts), counts.shape[1] - first))
        for place, ahead in enumerate(AHEAD):
            features = _features(counts, times, ahead, first)
            rows = features.reshape(-1, features.shape[-1])
            for level, model in enumerate(self._models[place]):
                amounts = np.expm1(np.maximum(model.predict(rows), 0.0))
                found[place, level] = amounts.reshape(features.shape[:2])
        return found

    @property
    def state_bytes(self) -> int:
        """Give the bytes that are kept for each series: a week of counts."""
        return 4 * 7 * PER_DAY

    @property
    def model_bytes(self) -> int:
        """Give the bytes of the trained model."""
        return len(pickle.dumps(self._models))


def boosted(counts: Counts, times: Counts) -> Forecasts:
    """Walk forward with gradient-boosted quantiles."""
    return walk(Boosted(), counts, times)


def _features(counts: Counts, times: Counts, ahead: int, first: int) -> NDArray[np.float64]:
    """Compute the features known at the end of each bin from ``first`` on: series, bin, feature."""
    series, bins = counts.shape
    summed = np.concatenate([np.zeros((series, 1)), counts.cumsum(axis=1)], axis=1)
    now = np.arange(first, bins)

    def mean(end: NDArray[np.int_], length: int) -> Counts:
        """Give the mean of some bins up to and with one; of all so far where it hasn't been."""
        start = np.maximum(end + 1 - length, 0)
        sums = summed[:, np.maximum(end + 1, 0)] - summed[:, start]
        return np.where(end >= 0, sums / np.maximum(end + 1 - start, 1), everything)

    everything = summed[:, now + 1] / (now + 1)
    target = now + ahead
    at = times[now] + ahead * (DAY / PER_DAY)
    hour, weekday = at % DAY / DAY * 24, (at // DAY + 3) % 7
    known = [
        *(np.log1p(mean(now - lag, 1)) for lag in LAGS),
        *(np.log1p(mean(now, length)) for length in MEANS),
        # The same time yesterday and a week ago, an hour around.
        *(np.log1p(mean(target - days * PER_DAY + 5, 12)) for days in (1, 7)),
        np.log1p(everything),
        *(np.broadcast_to(x, (series, len(now))) for x in (hour, weekday)),
    ]
    return np.stack(known, axis=-1)
