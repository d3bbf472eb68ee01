"""Compute the features of clients, the inputs of the detector, of their fading sums.

``FEATURES`` is the table of them, in order; the package's docstring says how to add one. ``SCHEMA``
identifies this table and that of the sums: stored profiles, rows and models of another schema are
not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.sums import GAP_EDGES, ROUTE_BINS, SKETCH_BITS, SUMS, Floats, View


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
    """Describe one input of the detector.

    Attributes:
        name: Its name in models and explanations.
        unit: Its unit.
        text: Its meaning, for people.
        of: Computes its values for many clients.
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
    Feature(
        "denied_share",
        "",
        "answers 401 or 403, failed logins",
        lambda v: v.mean("denied", "answered"),
    ),
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
    Feature(
        "paths_in_use",
        "",
        "different paths in about ten minutes",
        # A client that has stopped uses none, whatever its sketches hold.
        lambda v: np.minimum(v.paths, v["n"]),
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
        "answers 401, 403, 404 and failed logins a minute over ten minutes; a path that is missing "
        "counts once",
        lambda v: (v["denied"] + np.minimum(v["missing"], v["new_missing"])) / 10.0,
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
    """Select the values of one feature, by its name, from rows of :func:`matrix`."""
    return rows[:, FEATURE_NAMES.index(name)]


def matrix(view: View) -> NDArray[np.float32]:
    """Compute the features of many clients, one row each, in the order of ``FEATURES``.

    All are finite.
    """
    rows = np.empty((len(view.hour_rarity), len(FEATURES)), dtype=np.float32)
    for index, feature in enumerate(FEATURES):
        rows[:, index] = feature.of(view)
    return rows if np.isfinite(rows).all() else np.nan_to_num(rows, posinf=1e6, neginf=-1e6)
