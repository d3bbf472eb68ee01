"""Take training rows of the clients that may be learned from."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import column
from flask_irl.behaviour.harm import Mask
from flask_irl.behaviour.rows import ABUSE, pack_rows
from flask_irl.verdicts.judge import Verdicts
from flask_irl.verdicts.merge import Profiles
from flask_irl.verdicts.row_quota import RowQuota, row_network

ROW_SECONDS: Final = 30.0
"""Least time between two rows of a client."""
ROW_MINUTES: Final = 30.0
"""Minutes of activity after which a client's rows are taken half as often."""
ROW_EVIDENCE: Final = 5.0
"""Least number of requests in memory."""
MAX_REFUSED: Final = 0.01
"""Share of refused requests from which on a client isn't learned from."""


def take_rows(
    profiles: Profiles, verdicts: Verdicts, steps: NDArray[np.int64], quota: RowQuota
) -> dict[int, bytes]:
    """Take a row of each client that is due and may be learned from.

    Writes ``row_at`` and ``row_total`` in the records.

    Args:
        profiles: The clients.
        verdicts: The verdicts on them.
        steps: Their steps from now on.
        quota: Bounds the rows of each network.

    Returns:
        Packed rows by the index of the client; to be stored once its profile is saved.
    """
    records = profiles.records
    chosen = np.flatnonzero(_are_due(records) & _may_be_learned_from(records, verdicts, steps))
    if not len(chosen):
        return {}
    networks = [row_network(profiles.clients[i]) for i in chosen]
    labelled = (records["feedback"][chosen] != 0).tolist()
    # One that is over its network's quota is asked again when its next row is due, too.
    within = [
        is_labelled or quota.take(network, profiles.now)
        for network, is_labelled in zip(networks, labelled, strict=True)
    ]
    now = records["updated"][chosen]
    rows = pack_rows(
        [profiles.clients[i] for i in chosen],
        (records["total"] - records["row_total"])[chosen],
        now,
        verdicts.features[chosen],
        [profiles.routes[i] for i in chosen],
        verdicts.regular[chosen],
        records["feedback"][chosen],
        networks,
    )
    records["row_at"][chosen] = now
    records["row_total"][chosen] = records["total"][chosen]
    places = zip(chosen.tolist(), rows, within, strict=True)
    return {place: row for place, row, is_within in places if is_within}


def _are_due(records: profile.Records) -> Mask:
    """Check that each client's previous row is long ago: the longer known, the rarer its rows."""
    pause = ROW_SECONDS * (1.0 + records["minutes"] / ROW_MINUTES)
    enough = profile.sums_of(records, "n") >= ROW_EVIDENCE
    return np.asarray((records["updated"] - records["row_at"] >= pause) & enough)


def _may_be_learned_from(
    records: profile.Records, verdicts: Verdicts, steps: NDArray[np.int64]
) -> Mask:
    """Check that each client is at the full limit and no suspect, or was reported as abuse."""
    refused = column(verdicts.features, "refused_share")
    legitimate = (steps == 0) & ~verdicts.suspect & (refused < MAX_REFUSED)
    return np.asarray(legitimate | (records["feedback"] == ABUSE))
