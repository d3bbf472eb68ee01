"""Training rows: what one client's behaviour looked like at one moment, packed for the store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.features import FEATURE_NAMES, SCHEMA
from flask_irl.behaviour.routes import route_hash

ROW: Final = np.dtype(
    [
        ("schema", "<u4"),
        ("requests", "<u4"),
        ("route", "<u4"),
        ("regular", "u1"),
        ("feedback", "u1"),
        ("client", "<u8"),
        ("at", "<f8"),
        ("features", "<f4", (len(FEATURE_NAMES),)),
    ]
)
"""``requests`` of the client since its row before; ``route`` is a hash of the last one that it
asked for; ``regular`` where it belongs to the site by now;
``feedback`` is an operator's: 1 good, 2 abuse; ``client`` is a hash; ``at`` in seconds."""
GOOD: Final = 1
ABUSE: Final = 2
TAG: Final = int(SCHEMA, 16)
Rows = NDArray[Any]


def client_hash(client: str) -> int:
    """64 bits that stand for a client, the same in every process."""
    digest = hashlib.blake2b(client.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def pack_rows(
    clients: Sequence[str],
    requests: NDArray[Any],
    at: NDArray[np.float64],
    features: NDArray[np.float32],
    routes: Sequence[str] | None = None,
    regular: NDArray[Any] | bool = False,
    feedback: NDArray[Any] | int = 0,
) -> list[bytes]:
    """Rows packed, one each."""
    rows = np.zeros(len(clients), dtype=ROW)
    rows["schema"] = TAG
    rows["requests"] = requests
    if routes is not None:
        rows["route"] = [route_hash(route) for route in routes]
    rows["regular"] = regular
    rows["feedback"] = feedback
    rows["client"] = [client_hash(client) for client in clients]
    rows["at"] = at
    rows["features"] = features
    data = rows.tobytes()
    return [data[i : i + ROW.itemsize] for i in range(0, len(data), ROW.itemsize)]


def unpack_rows(packed: Sequence[bytes]) -> Rows:
    """The rows of this schema, in order of time; others are left out."""
    rows = np.frombuffer(
        b"".join(row for row in packed if len(row) == ROW.itemsize), dtype=ROW
    ).copy()
    rows = rows[rows["schema"] == TAG]
    rows = rows[np.isfinite(rows["features"]).all(axis=1)]
    ordered: Rows = rows[np.argsort(rows["at"], kind="stable")]
    return ordered


def within_quota(rows: Rows, share: float, least: int) -> Rows:
    """At most ``share`` of the rows, but at least ``least``, from any one client.

    Of a client's rows every n-th stays, so that what stays spans its whole time.
    """
    quota = max(least, int(len(rows) * share))
    keep = np.ones(len(rows), dtype=bool)
    clients, counts = np.unique(rows["client"], return_counts=True)
    for client in clients[counts > quota]:
        own = np.flatnonzero(rows["client"] == client)
        keep[own] = False
        keep[own[np.linspace(0, len(own) - 1, quota).round().astype(int)]] = True
    kept: Rows = rows[keep]
    return kept
