"""Sort a site's rows by the use that a training makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.harm import harmful
from flask_irl.behaviour.rows import (
    ABUSE,
    GOOD,
    Rows,
    unpack_rows,
    within_network_quota,
    within_quota,
)
from flask_irl.errors import TrainingRefused
from flask_irl.model.detectors import Detector
from flask_irl.training.training_set import TrainingSet

MIN_REQUESTS: Final = 50
CLIENT_SHARE: Final = 0.02
"""Share of all rows within the networks' quotas that one client may have, so that none is the
measure of the others."""
CLIENT_LEAST: Final = 10
"""Rows that each client may have, whatever its share."""
NETWORK_SHARE: Final = 0.1
"""Share of all rows that the clients of one network may have together: else whoever floods the site
from many addresses would be the measure of the others."""
NETWORK_LEAST: Final = 300
"""Rows that the clients of each network may have, whatever their share."""
HARMFUL_ROWS: Final = 6
"""Rows with a sign of harm that a newcomer may have; there is one each half minute."""
FEW_ROWS: Final = 200
"""Below, rows are too few to hold some back: they calibrate and pass the gate in-sample."""
FEWEST_SAMPLES: Final = 32
"""Rows that a tree needs; fewer are repeated."""
FEW_NEWCOMERS: Final = 100
"""Rows of clients that are no regulars; with fewer, the regulars count as well."""
NO_ROWS: Final = (
    "no client has been observed for long enough: a row needs at least five requests "
    "of one client, none of them refused or flagged"
)


def check_requests(requests: int) -> None:
    """Check that a site has had requests enough for a training.

    Raises:
        TrainingRefused: It has had too few.
    """
    if requests < MIN_REQUESTS:
        raise TrainingRefused(f"{requests} requests observed, at least {MIN_REQUESTS} are needed")


@dataclass(frozen=True, eq=False, slots=True)
class TrainingRows:
    """Hold a site's rows, and masks of those for each use.

    Attributes:
        own: Rows of the site's own traffic, oldest first, so many of one client at most.
        attacks: Features of clients that operators have called abusers.
        normal: Mask of ``own``: rows of clients that are no regulars.
        fit: Mask of ``own``: rows to fit a detector on.
        calibration: Mask of ``own``: rows to calibrate it on, of other clients where there are
            rows enough.
    """

    own: Rows
    attacks: NDArray[np.float32]
    normal: NDArray[np.bool_]
    fit: NDArray[np.bool_]
    calibration: NDArray[np.bool_]

    @property
    def clients(self) -> int:
        """Count the different clients."""
        return len(np.unique(self.own["client"]))

    @property
    def requests(self) -> int:
        """Count the requests that the rows stand for."""
        return int(self.own["requests"].sum())

    def training_set(
        self,
        kind: str,
        routes: Mapping[str, float],
        seed: int,
        before: Detector | None = None,
        share: float = 1.0,
    ) -> TrainingSet:
        """Give the training set of a detector, its rows repeated if they can't grow a tree."""
        rows = self.own[self.fit]
        times = max(1, -(-FEWEST_SAMPLES // len(rows)))
        return TrainingSet(
            kind=kind,
            rows=np.tile(np.ascontiguousarray(rows["features"]), (times, 1)),
            seed=seed,
            normal=np.tile(self.normal[self.fit], times),
            attacks=self.attacks,
            routes=routes,
            before=before,
            share=share,
        )


def sort_rows(packed: Sequence[bytes]) -> TrainingRows:
    """Sort packed rows by their use.

    Args:
        packed: Rows of the store, in any order; rows of another schema are left out.

    Raises:
        TrainingRefused: There are none of the site's own traffic.
    """
    rows = unpack_rows(packed)
    abuse = rows["feedback"] == ABUSE
    own = within_network_quota(rows[~abuse], NETWORK_SHARE, NETWORK_LEAST)
    own = within_quota(own, CLIENT_SHARE, CLIENT_LEAST)
    # What was taken from clients has made the networks' shares larger.
    own = within_network_quota(own, NETWORK_SHARE, NETWORK_LEAST)
    if not len(own):
        raise TrainingRefused(NO_ROWS)
    normal = _normal(own)
    fit, calibration = (mask & _teach(own) for mask in _split(own, normal))
    attacks = np.ascontiguousarray(rows["features"][abuse])
    return TrainingRows(own, attacks, normal, fit, calibration)


def _teach(rows: Rows) -> NDArray[np.bool_]:
    """Mark the rows that are learned from: of a newcomer, few that do harm.

    People's harm is a burst of a minute or two, which some of all people have; an attack that the
    model lets pass goes on, and its rows would teach the next model to.
    """
    doubtful = (rows["regular"] == 0) & (rows["feedback"] != GOOD) & harmful(rows["features"])
    taught: NDArray[np.bool_] = ~doubtful
    places = np.flatnonzero(doubtful)
    places = places[np.argsort(rows["client"][places], kind="stable")]
    clients = rows["client"][places]
    rank = np.arange(len(clients)) - np.searchsorted(clients, clients)
    taught[places[rank < HARMFUL_ROWS]] = True
    return taught


def _normal(rows: Rows) -> NDArray[np.bool_]:
    """Mark the rows of clients that are no regulars: those are judged by their own past.

    Heavy regulars would otherwise hold the threshold up for everybody.
    """
    regulars = np.unique(rows["client"][rows["regular"] != 0])
    mask: NDArray[np.bool_] = ~np.isin(rows["client"], regulars)
    return mask if mask.sum() >= FEW_NEWCOMERS else np.ones(len(rows), dtype=bool)


def _split(rows: Rows, normal: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark rows to fit on, and rows of other clients, no regulars, to calibrate on."""
    quarter = rows["client"] % 4 == 0
    if len(rows) < FEW_ROWS or (quarter & normal).sum() < FEWEST_SAMPLES or quarter.all():
        return np.ones(len(rows), dtype=bool), normal
    return ~quarter, quarter & normal
