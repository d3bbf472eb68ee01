"""Forecast by a few numbers a series, brought up to date with each bin."""

from __future__ import annotations

import time
from functools import partial
from typing import Final, Protocol

import numpy as np
from scipy.special import gammainccinv

from flask_irl.campaigns.activity import MEMORY_SECONDS, MOST_MORE, MOST_TIMES, QUIET_SECONDS
from loadtests.forecasts.forecast import AHEAD, QUANTILES, Forecasts, empty
from loadtests.forecasts.series import BIN, DAY, Counts

HOUR: Final = 3600.0
STEP: Final = 0.3
"""Logarithm of the step by which a learned spread rises."""
LEAST: Final = 0.3
MOST: Final = 100.0
"""Bounds of a learned spread."""


class Mean(Protocol):
    """Follow the mean counts of all series."""

    def expect(self, at: float, ahead: int) -> Counts:
        """Forecast the mean counts of a bin, as known ``ahead`` bins before it ends."""

    def update(self, counts: Counts, at: float) -> None:
        """Take the counts of the bin that began at a time."""

    @property
    def state_bytes(self) -> int:
        """Give the bytes that are kept for each series."""


class Flat:
    """Follow a rate that fades, as :meth:`flask_irl.campaigns.activity.Activity.learn` does."""

    def __init__(self, series: int) -> None:
        self._usual = np.zeros(series)
        self._learned = 0.0

    def expect(self, at: float, ahead: int) -> Counts:
        """Forecast the mean counts: the same at any time."""
        return self._usual.copy()

    def update(self, counts: Counts, at: float) -> None:
        """Take the counts of a bin, up to some times what is usual."""
        known = min(max(self._learned, QUIET_SECONDS) + BIN, MEMORY_SECONDS)
        self._learned += BIN
        most = MOST_TIMES * self._usual + MOST_MORE
        self._usual += BIN / known * (np.minimum(counts, most) - self._usual)

    @property
    def state_bytes(self) -> int:
        """Give the bytes that are kept for each series."""
        return 2 * 8


class Seasonal:
    """Smooth level, damped trend, hours of the day and of the week; outliers weigh little.

    The mean is the level times the factor of the hour of the week. A factor is what came in its
    hours as a share of what the level alone expected then, drawn by a few counts to the product of
    hour of the day and weekday, which are drawn to 1. All fade. What a bin has beyond some
    deviations counts as so many.
    """

    LEVEL: Final = float(np.exp(-BIN / DAY))
    """What is left of the level's sums after a bin."""
    TREND: Final = 0.001
    DAMPED: Final = 0.98
    FADED: Final = 0.95
    """What is left of a factor's sums after an hour of it."""
    PRIOR: Final = 20.0
    HUBER: Final = 3.0

    def __init__(self, series: int) -> None:
        # Counts that came, and the factors of their bins; both fade.
        self._level = np.zeros((2, series))
        self._trend = np.zeros(series)
        self._deviation = np.ones(series)
        # Counts that came, and those that were expected without the factor.
        self._hours = np.zeros((2, series, 24))
        self._days = np.zeros((2, series, 7))
        self._week = np.zeros((2, series, 7 * 24))
        self._taken = 0

    def expect(self, at: float, ahead: int) -> Counts:
        """Forecast the mean counts."""
        damped = sum(self.DAMPED**step for step in range(1, ahead + 1))
        level = np.maximum(self._now() + damped * self._trend, 0.0)
        return np.asarray(level * self._factors(at)[2])

    def update(self, counts: Counts, at: float) -> None:
        """Take the counts of a bin."""
        hour, day, factor = self._factors(at)
        before = self._now()
        expected = np.maximum(before + self.DAMPED * self._trend, 0.0) * factor
        scale = np.maximum(self._deviation, np.sqrt(expected + 0.1))
        # At the very beginning nothing is an outlier.
        most = self.HUBER * scale + (MOST_MORE if self._taken > 12 else np.inf)
        over = np.clip(counts - expected, -most, most)
        came = expected + over
        self._taken += 1
        self._level *= self.LEVEL
        self._level += came, factor
        self._trend = self.DAMPED * self._trend + self.TREND * (self._now() - before)
        weight = max(BIN / (6 * HOUR), 1 / (self._taken + 6))
        self._deviation += weight * (1.25 * np.abs(over) - self._deviation)
        place, weekday = _clock(at)
        kept = self.FADED ** (BIN / HOUR)
        for sums, index, faded, without in (
            # An hour of the day comes seven times a week, one of a weekday twenty-four times a day.
            (self._hours, place, kept ** (1 / 7), day),
            (self._days, weekday, kept ** (1 / 24), hour),
            (self._week, weekday * 24 + place, kept, np.ones_like(hour)),
        ):
            sums[:, :, index] *= faded
            sums[0, :, index] += came
            sums[1, :, index] += before * without

    @property
    def state_bytes(self) -> int:
        """Give the bytes that are kept for each series."""
        return 8 * (4 + 2 * (24 + 7 + 7 * 24))

    def _now(self) -> Counts:
        """Give the level."""
        return np.asarray(self._level[0] / np.maximum(self._level[1], 1.0))

    def _factors(self, at: float) -> tuple[Counts, Counts, Counts]:
        """Give the factors of hour of the day, of weekday, and of hour of the week."""
        place, weekday = _clock(at)
        hour, day, week = (
            sums[:, :, index]
            for sums, index in (
                (self._hours, place),
                (self._days, weekday),
                (self._week, weekday * 24 + place),
            )
        )
        hours = (hour[0] + self.PRIOR) / (hour[1] + self.PRIOR)
        days = (day[0] + self.PRIOR) / (day[1] + self.PRIOR)
        return hours, days, (week[0] + self.PRIOR * hours * days) / (week[1] + self.PRIOR)


class Level(Seasonal):
    """Smooth level and damped trend alone, to tell what the hours are worth."""

    def _factors(self, at: float) -> tuple[Counts, Counts, Counts]:
        one = np.ones_like(self._trend)
        return one, one, one

    @property
    def state_bytes(self) -> int:
        """Give the bytes that are kept for each series."""
        return 8 * 4


class Spread:
    """Learn how many standard deviations (of a Poisson distribution) the upper quantile is above.

    It rises when a bin exceeds it, and falls otherwise, so that in the long run the share that
    exceeds it is right, whatever the distribution. The step doesn't depend on by how much.
    """

    def __init__(self, series: int) -> None:
        self._spread = np.full(series, 2.5)

    def bound(self, mean: Counts) -> Counts:
        """Give the upper quantile above mean counts."""
        return np.asarray(mean + self._spread * np.sqrt(mean + 0.1))

    def update(self, mean: Counts, counts: Counts) -> None:
        """Take the counts of a bin, and their forecast."""
        above = counts > self.bound(mean)
        self._spread *= np.exp(STEP * (above - (1.0 - QUANTILES[1])))
        self._spread = np.clip(self._spread, LEAST, MOST)


def forecast(
    kind: type[Flat | Seasonal], counts: Counts, times: Counts, *, spread: bool
) -> Forecasts:
    """Walk forward through the counts of a log.

    Args:
        kind: The model of the mean.
        counts: The counts of all series.
        times: Beginnings of the bins, in seconds since the epoch.
        spread: Whether the upper quantile is learned; else it is Poisson's.
    """
    started = time.process_time()
    found = empty(counts)
    mean: Mean = kind(len(counts))
    means = np.full((len(AHEAD), *counts.shape), np.nan)
    spreads = [Spread(len(counts)) for _ in AHEAD]
    for now, at in enumerate(times.tolist()):
        for place, ahead in enumerate(AHEAD):
            target = now + ahead - 1
            if target < len(times):
                # As of the end of the bin before this one.
                expected = mean.expect(float(at + (ahead - 1) * BIN), ahead)
                means[place, :, target] = expected
                if spread:
                    found[place, 1, :, target] = spreads[place].bound(expected)
        if spread:
            for place, ahead in enumerate(AHEAD):
                if now >= ahead:
                    spreads[place].update(means[place, :, now], counts[:, now])
        mean.update(counts[:, now], at)
    learned = 1 if spread else 2
    for place, quantile in enumerate(QUANTILES[:learned]):
        found[:, place] = poisson(means, quantile)
    seconds = time.process_time() - started
    return Forecasts(found, 0.0, seconds, mean.state_bytes + 8 * spread, means=means[0])


flat = partial(forecast, Flat, spread=False)
flat_spread = partial(forecast, Flat, spread=True)
level = partial(forecast, Level, spread=False)
seasonal = partial(forecast, Seasonal, spread=False)
seasonal_spread = partial(forecast, Seasonal, spread=True)


def poisson(means: Counts, quantile: float) -> Counts:
    """Give a quantile of Poisson distributions by their means; NaN for NaN."""
    most = int(np.nanmax(means, initial=0.0) * 2) + 20
    # The largest mean whose quantile is 0, 1, 2 ...
    means_of = gammainccinv(np.arange(most) + 1.0, quantile)
    return np.where(np.isnan(means), np.nan, np.searchsorted(means_of, means))


def _clock(at: float) -> tuple[int, int]:
    """Give the hour of the day, 0 to 23, and the weekday, 0 to 6, in UTC."""
    return int(at % DAY // HOUR), int(at // DAY + 3) % 7
