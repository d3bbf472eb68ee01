"""Sum up a client's requests: the table of fading sums, and a view of them for features.

Each sum fades exponentially over its horizon, so that a client's whole past is a fixed number of
figures, and batches of different workers add up to the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SHORT: Final = 60.0
LONG: Final = 600.0
HOUR: Final = 3600.0

GAP_EDGES: Final = np.array([0.05, 0.25, 1.0, 2.5, 6.0, 15.0, 60.0])
"""Bounds of the eight bins of the intervals' histogram, in seconds."""
GAP_BINS: Final = len(GAP_EDGES) + 1
ROUTE_BINS: Final = 16
SKETCH_BITS: Final = 128
FINE, DENIED, MISSING, BAD, FAILED = range(5)

PATH_EPOCH: Final = 300.0
"""Seconds after which the sketch of paths is put aside for a new one."""


class Batch(NamedTuple):
    """Hold requests as the columns that sums are made of, one entry each.

    Attributes:
        gap: Seconds since the client's previous request; -1 unknown.
        answer: Kind of the answer: ``FINE``, ``DENIED``, ``MISSING``, ``BAD``, ``FAILED``.
        size: Response bytes; -1 unknown, or refused by the limiter.
        write: 1 where the method changes things (not GET, HEAD, OPTIONS), or a login failed.
        probe: 1 where the method is HEAD, OPTIONS or unheard of.
        refused: 1 where the limiter refused.
        rarity: Rarity of the route on this site, -log of its share, 0 to 10.
        new_path: The number of new paths that the request stands for, 0 if its path isn't new.
        login: 1 where the request logs in.
    """

    gap: Floats
    answer: Floats
    size: Floats
    write: Floats
    probe: Floats
    refused: Floats
    rarity: Floats
    new_path: Floats
    login: Floats


def answer_of(status: int, login: bool = False) -> int:
    """Classify an answer by its status; a refusal by the limiter (429) is ``FINE``.

    Who may not is told 401 or 403 anywhere, and where it logs in 400 or 422, too. Any other 4xx is
    ``BAD`` and part of a day's work: a form that isn't valid yet, a record that somebody else has
    changed or locked, an upload that is too large.

    Args:
        status: The answer's status.
        login: Whether the request logs in.
    """
    if status in (401, 403) or (login and status in (400, 422)):
        return DENIED
    if status in (404, 410):
        return MISSING
    if 400 <= status < 500 and status != 429:
        return BAD
    return FAILED if status >= 500 else FINE


class Sum(NamedTuple):
    """Describe a fading sum.

    Attributes:
        name: Its name.
        horizon: Seconds over which it fades to 1/e.
        of: Computes the amounts that requests add to it.
    """

    name: str
    horizon: float
    of: Callable[[Batch], Floats | NDArray[np.bool_]]


def _clip(values: Floats, high: float) -> Floats:
    # Not np.maximum: an interval that is no number counts as none, and doesn't spoil the sum.
    return np.minimum(np.fmax(values, 0.0), high)


def _gap(batch: Batch) -> Floats:
    # In minutes, at most the long horizon: half precision holds that well.
    return _clip(batch.gap, LONG) / 60.0


def _log_gap(batch: Batch) -> Floats:
    return np.log1p(_clip(batch.gap, LONG))


def _log_size(batch: Batch) -> Floats:
    return np.log1p(_clip(batch.size, 1e9)) / 4.0


def _one(batch: Batch) -> Floats:
    return np.ones(len(batch.gap))


# A request that the limiter refused got no answer of the site: its status and size mean nothing.
SUMS: Final = (
    Sum("recent", SHORT, _one),
    Sum("recent_new_paths", SHORT, lambda b: b.new_path),
    Sum("n", LONG, _one),
    Sum("gaps", LONG, lambda b: b.gap >= 0),
    Sum("gap", LONG, _gap),
    Sum("gap2", LONG, lambda b: _gap(b) ** 2),
    Sum("log_gap", LONG, _log_gap),
    Sum("answered", LONG, lambda b: 1.0 - b.refused),
    Sum("denied", LONG, lambda b: b.answer == DENIED),
    Sum("missing", LONG, lambda b: b.answer == MISSING),
    Sum("bad", LONG, lambda b: b.answer == BAD),
    Sum("failed", LONG, lambda b: b.answer == FAILED),
    Sum("writes", LONG, lambda b: b.write),
    Sum("failed_writes", LONG, lambda b: (b.answer == DENIED) * b.write),
    Sum("logins", LONG, lambda b: b.login * (1.0 - b.refused)),
    Sum("login_writes", LONG, lambda b: b.login * b.write * (1.0 - b.refused)),
    Sum("new_missing", LONG, lambda b: (b.answer == MISSING) * b.new_path),
    Sum("probes", LONG, lambda b: b.probe),
    Sum("refused", LONG, lambda b: b.refused),
    Sum("size", LONG, _log_size),
    Sum("size2", LONG, lambda b: _log_size(b) ** 2),
    Sum("rarity", LONG, lambda b: b.rarity / 4.0),
    Sum("new_paths", LONG, lambda b: b.new_path),
    Sum("hour_n", HOUR, _one),
    Sum("hour_new_paths", HOUR, lambda b: b.new_path),
    Sum("hour_answered", HOUR, lambda b: 1.0 - b.refused),
    Sum("hour_new_missing", HOUR, lambda b: (b.answer == MISSING) * b.new_path),
)


class View:
    """View the sums of many clients by name, as columns.

    Attributes:
        gap_bins: The intervals' histogram, one row a client.
        route_bins: The routes' histogram, by hash, one row a client.
        paths: Estimated number of different paths of the last five to ten minutes.
        hour_rarity: Rarity of the hour of day on the site, in nats.
        weekday_rarity: Rarity of the weekday on the site, in nats.
    """

    def __init__(
        self,
        sums: Floats,
        gap_bins: Floats,
        route_bins: Floats,
        paths: Floats,
        hour_rarity: Floats,
        weekday_rarity: Floats,
    ) -> None:
        self._sums = sums
        self._divisors: dict[str, Floats] = {}
        self.gap_bins = gap_bins
        self.route_bins = route_bins
        self.paths = paths
        self.hour_rarity = hour_rarity
        self.weekday_rarity = weekday_rarity

    def __getitem__(self, name: str) -> Floats:
        column: Floats = self._sums[:, _COLUMN[name]]
        return column

    def mean(self, name: str, per: str = "n") -> Floats:
        """Divide a sum by the number of requests (or by another sum); 0 where that is 0."""
        divisor = self._divisors.get(per)
        if divisor is None:
            divisor = self._divisors[per] = np.maximum(self[per], 1e-3)
        return self[name] / divisor


_COLUMN: Final = {item.name: index for index, item in enumerate(SUMS)}
