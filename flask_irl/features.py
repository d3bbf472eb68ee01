"""What is known of a client's behaviour: add a feature here and nowhere else.

Two tables. ``SUMS`` says what is added up per client, each sum fading exponentially over its
horizon, so that a client's whole past is a fixed number of figures and batches of different
workers add up to the same. ``FEATURES`` says what is computed of the sums for the detector, in
order, with units. ``SCHEMA`` names both tables' contents: stored profiles, rows and models of
another schema are not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHORT: Final = 60.0
LONG: Final = 600.0
HOUR: Final = 3600.0
GAP_EDGES: Final = np.array([0.05, 0.25, 1.0, 2.5, 6.0, 15.0, 60.0])
"""Seconds that part the eight bins of the intervals' histogram."""
GAP_BINS: Final = len(GAP_EDGES) + 1
ROUTE_BINS: Final = 16
SKETCH_BITS: Final = 128
FINE, DENIED, MISSING, BAD, FAILED = range(5)
PATH_EPOCH: Final = 300.0
"""Seconds after which the sketch of paths asked for is put aside for a new one."""


class Batch(NamedTuple):
    """Observations as columns, one entry each.

    Attributes:
        gap: Seconds since the client's previous request; -1 unknown.
        answer: What kind of answer it got: ``FINE``, ``DENIED``, ``MISSING``, ``BAD``, ``FAILED``.
        size: Response bytes; -1 unknown, also where the limiter refused.
        write: 1 where the method changes things (not GET, HEAD, OPTIONS), else 0.
        probe: 1 where the method is HEAD, OPTIONS or unheard of.
        refused: 1 where the limiter refused.
        rarity: How rare the route is on this site, -log of its share, 0 to 10.
        new_path: 1 where the client's sketch didn't have the path.
        login: 1 where the route looks like one that people log in by.
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


def answer_of(status: int) -> int:
    """What kind of answer a status is; a refusal by the limiter (429) is no fault of the view."""
    if status in (401, 403):
        return DENIED
    if status in (404, 410):
        return MISSING
    if 400 <= status < 500 and status != 429:
        return BAD
    return FAILED if status >= 500 else FINE


class Sum(NamedTuple):
    """A fading sum: its name, its horizon in seconds, and what one observation adds."""

    name: str
    horizon: float
    of: Callable[[Batch], Floats | NDArray[np.bool_]]


def _cut(values: Floats, most: float) -> Floats:
    return np.minimum(np.maximum(values, 0.0), most)


def _gap(batch: Batch) -> Floats:
    # In minutes, cut at the long horizon: what the half-precision sums hold well.
    return _cut(batch.gap, LONG) / 60.0


def _log_gap(batch: Batch) -> Floats:
    return np.log1p(_cut(batch.gap, LONG))


def _log_size(batch: Batch) -> Floats:
    return np.log1p(_cut(batch.size, 1e9)) / 4.0


def _one(batch: Batch) -> Floats:
    return np.ones(len(batch.gap))


def _failing(batch: Batch) -> NDArray[np.bool_]:
    failing: NDArray[np.bool_] = (batch.answer == DENIED) | (batch.answer == BAD)
    return failing


# What the limiter refused got no answer of the site: it tells nothing of status and size.
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
    Sum("failed_writes", LONG, lambda b: _failing(b) * b.write),
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
    """A client's sums by name, as columns over many clients.

    Attributes:
        gap_bins: The intervals' histogram, one row a client.
        route_bins: The routes' histogram, by hash.
        hour_rarity: How unusual the hour of day is for the whole site, -log of its share.
        weekday_rarity: The same of the day of the week.
    """

    def __init__(
        self,
        sums: Floats,
        gap_bins: Floats,
        route_bins: Floats,
        hour_rarity: Floats,
        weekday_rarity: Floats,
    ) -> None:
        self._sums = sums
        self._divisors: dict[str, Floats] = {}
        self.gap_bins = gap_bins
        self.route_bins = route_bins
        self.hour_rarity = hour_rarity
        self.weekday_rarity = weekday_rarity

    def __getitem__(self, name: str) -> Floats:
        column: Floats = self._sums[:, _COLUMN[name]]
        return column

    def mean(self, name: str, per: str = "n") -> Floats:
        """A sum per request (or per another sum); 0 where there is nothing."""
        divisor = self._divisors.get(per)
        if divisor is None:
            divisor = self._divisors[per] = np.maximum(self[per], 1e-3)
        return self[name] / divisor


_COLUMN: Final = {item.name: index for index, item in enumerate(SUMS)}


def _entropy(bins: Floats) -> Floats:
    share = bins / np.maximum(bins.sum(axis=1, keepdims=True), 1e-6)
    return np.asarray(-(share * np.log(np.maximum(share, 1e-9))).sum(axis=1))


def _gap_mean(v: View) -> Floats:
    return v.mean("gap", "gaps") * 60.0


def _gap_deviation(v: View) -> Floats:
    mean = v.mean("gap", "gaps")
    return np.sqrt(np.maximum(v.mean("gap2", "gaps") - mean**2, 0.0)) * 60.0


def _size_deviation(v: View) -> Floats:
    mean = v.mean("size", "answered")
    return np.sqrt(np.maximum(v.mean("size2", "answered") - mean**2, 0.0)) * 4.0


class Feature(NamedTuple):
    """One input of the detector.

    Attributes:
        name: Its name in models and explanations.
        unit: Its unit.
        text: What it tells, for people.
        of: Its values for many clients.
    """

    name: str
    unit: str
    text: str
    of: Callable[[View], Floats]


FEATURES: Final = (
    Feature("hour_rarity", "nats", "how quiet the site is at this hour", lambda v: v.hour_rarity),
    Feature(
        "weekday_rarity", "nats", "how quiet the site is on this day", lambda v: v.weekday_rarity
    ),
    Feature("requests_per_minute", "1/min", "requests in the last minute", lambda v: v["recent"]),
    Feature(
        "sustained_rate", "1/min", "requests a minute over ten minutes", lambda v: v["n"] / 10.0
    ),
    Feature(
        "rate_ratio",
        "",
        "the last minute's requests against the last ten minutes'",
        lambda v: v["recent"] / (1.0 + v["n"] / 10.0),
    ),
    Feature(
        "endpoint_rarity",
        "nats",
        "how rare the routes asked for are",
        lambda v: v.mean("rarity") * 4,
    ),
    Feature("interval_mean", "log s", "time between requests", lambda v: np.log1p(_gap_mean(v))),
    Feature(
        "interval_deviation",
        "log s",
        "how much the time between requests varies",
        lambda v: np.log1p(_gap_deviation(v)),
    ),
    Feature(
        "interval_variation",
        "",
        "variation of the intervals relative to their mean",
        lambda v: np.minimum(_gap_deviation(v) / np.maximum(_gap_mean(v), 1e-3), 10.0),
    ),
    Feature(
        "interval_entropy", "nats", "how mixed the intervals are", lambda v: _entropy(v.gap_bins)
    ),
    Feature("denied_share", "", "answers 401 or 403", lambda v: v.mean("denied", "answered")),
    Feature("missing_share", "", "answers 404", lambda v: v.mean("missing", "answered")),
    Feature("bad_share", "", "other answers 4xx", lambda v: v.mean("bad", "answered")),
    Feature("failed_share", "", "answers 5xx", lambda v: v.mean("failed", "answered")),
    Feature("write_share", "", "requests that change things", lambda v: v.mean("writes")),
    Feature("probe_share", "", "HEAD, OPTIONS and odd methods", lambda v: v.mean("probes")),
    Feature("refused_share", "", "requests sent while refused", lambda v: v.mean("refused")),
    Feature("route_entropy", "nats", "how mixed the routes are", lambda v: _entropy(v.route_bins)),
    Feature(
        "top_route_share",
        "",
        "share of the route asked for most",
        lambda v: v.route_bins.max(axis=1, initial=0.0) / np.maximum(v["n"], 1e-3),
    ),
    Feature("new_path_share", "", "paths not asked for before", lambda v: v.mean("new_paths")),
    Feature(
        "new_paths_per_minute",
        "1/min",
        "new paths in the last minute",
        lambda v: v["recent_new_paths"],
    ),
    Feature(
        "sustained_new_paths",
        "1/min",
        "new paths a minute over ten minutes",
        lambda v: v["new_paths"] / 10.0,
    ),
    Feature("hourly_rate", "1/min", "requests a minute over an hour", lambda v: v["hour_n"] / 60.0),
    Feature(
        "hourly_new_paths",
        "1/min",
        "new paths a minute over an hour",
        lambda v: v["hour_new_paths"] / 60.0,
    ),
    Feature(
        "failures_per_minute",
        "1/min",
        "answers 4xx a minute over ten minutes; a path that is missing counts once",
        lambda v: (v["denied"] + np.minimum(v["missing"], v["new_missing"]) + v["bad"]) / 10.0,
    ),
    Feature(
        "failed_write_share",
        "",
        "requests that would change things and were denied",
        lambda v: v.mean("failed_writes", "answered"),
    ),
    Feature(
        "unknown_path_share",
        "",
        "paths that don't exist, each another one",
        lambda v: v.mean("new_missing", "answered"),
    ),
    Feature(
        "hourly_unknown_share",
        "",
        "paths that don't exist, each another one, over an hour",
        lambda v: v.mean("hour_new_missing", "hour_answered"),
    ),
    Feature(
        "size_mean", "log B", "size of the answers", lambda v: v.mean("size", "answered") * 4.0
    ),
    Feature("size_deviation", "log B", "how much the answers' sizes vary", _size_deviation),
)
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)

SCHEMA: Final = hashlib.blake2b(
    repr(
        (
            [(s.name, s.horizon) for s in SUMS],
            [(f.name, f.unit) for f in FEATURES],
            GAP_EDGES.tolist(),
            ROUTE_BINS,
            SKETCH_BITS,
        )
    ).encode(),
    digest_size=4,
).hexdigest()


def column(rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """One feature's values, by its name, of rows that :func:`matrix` made."""
    return rows[:, FEATURE_NAMES.index(name)]


def matrix(view: View) -> NDArray[np.float32]:
    """The features of many clients, one row each, in the order of ``FEATURES``."""
    rows = np.empty((len(view.hour_rarity), len(FEATURES)), dtype=np.float32)
    for column, feature in enumerate(FEATURES):
        rows[:, column] = feature.of(view)
    return rows if np.isfinite(rows).all() else np.nan_to_num(rows, posinf=1e6, neginf=-1e6)
