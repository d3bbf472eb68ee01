"""Hold forecasts of counts, and measure their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtests.forecasts.series import BIN, DAY, KINDS, Counts, Series

AHEAD: Final = (1, 12)
"""Bins that a forecast looks ahead: five minutes, and an hour."""
QUANTILES: Final = (0.5, 0.99)
LEARNED: Final = int(DAY // BIN) + AHEAD[-1]
"""Bins at a log's beginning that aren't judged: a day, and what is forecast in its last hour."""

Forecast = NDArray[np.float64]
"""Quantiles of each bin's counts, as they were forecast: ahead, quantile, series, bin; NaN where
there is no forecast."""


@dataclass(frozen=True)
class Forecasts:
    """Hold the forecasts of a model for all series of a log.

    Args:
        quantiles: The forecasts.
        fit_seconds: CPU time that fitting took.
        forecast_seconds: CPU time that forecasts took, those of models of a few numbers with their
            updates.
        state_bytes: Bytes that are kept for each series.
        model_bytes: Bytes that are kept for all series together.
        means: Mean counts as forecast for five minutes ahead, where a model gives them.
    """

    quantiles: Forecast
    fit_seconds: float
    forecast_seconds: float
    state_bytes: int
    model_bytes: int = 0
    means: Counts | None = None


Forecaster = Callable[[Counts, Counts], Forecasts]
"""A model: counts of all series and the bins' beginnings to forecasts, walking forward: each
forecast knows only the bins that had ended when it was made."""


@dataclass(frozen=True)
class Errors:
    """Hold the errors of a model on one log at one distance.

    They are in units of the mean count: those of each kind divided by its mean count, then the
    mean over kinds.

    Args:
        absolute: Mean absolute error of the median: twice its pinball loss.
        pinball: Pinball loss of the upper quantile.
        above: Share of bins above the upper quantile.
        kinds: The pinball loss by kind.
    """

    absolute: float
    pinball: float
    above: float
    kinds: Mapping[str, float]


def empty(counts: Counts) -> Forecast:
    """Make room for forecasts."""
    return np.full((len(AHEAD), len(QUANTILES), *counts.shape), np.nan)


def judged(series: Series, ahead: int) -> NDArray[np.bool_]:
    """Tell the bins that are judged: none of the first day, and none across a gap."""
    times = series.times
    made = np.concatenate([np.full(ahead, -np.inf), times[:-ahead]])
    inside = times - made == ahead * BIN
    return np.asarray(inside & (np.arange(len(times)) >= LEARNED))


def pinball(counts: Counts, forecast: Counts, quantile: float = QUANTILES[1]) -> Counts:
    """Compute the pinball loss of a quantile's forecasts."""
    over = counts - forecast
    return np.asarray(np.maximum(quantile * over, (quantile - 1.0) * over))


def measure(series: Series, forecasts: Forecasts, place: int) -> Errors:
    """Measure the errors of forecasts at a distance, by its place in :data:`AHEAD`."""
    bins = judged(series, AHEAD[place])
    counts = series.counts[:, bins]
    median, upper = forecasts.quantiles[place][:, :, bins]
    assert not np.isnan(forecasts.quantiles[place][:, :, bins]).any()
    absolute: dict[str, float] = {}
    losses: dict[str, float] = {}
    for kind in KINDS:
        rows = [index for index, name in enumerate(series.names) if name[0] == kind]
        if rows:
            scale = max(counts[rows].mean(), 1e-9)
            absolute[kind] = float(np.abs(counts[rows] - median[rows]).mean() / scale)
            losses[kind] = float(pinball(counts[rows], upper[rows]).mean() / scale)
    above = float((counts > upper).mean())
    return Errors(fmean(absolute.values()), fmean(losses.values()), above, losses)


def found(series: Series, attack: NDArray[np.bool_], forecasts: Forecasts, place: int) -> float:
    """Give the share of attacked bins that exceed the upper quantile.

    Args:
        series: The counts, with the attacks in them.
        attack: The bins that are attacked.
        forecasts: Forecasts of these counts.
        place: Place of the distance in :data:`AHEAD`.
    """
    bins = attack & judged(series, AHEAD[place])
    above = series.counts > forecasts.quantiles[place, 1]
    return float(above[bins].mean())
