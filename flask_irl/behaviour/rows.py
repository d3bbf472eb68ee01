"""Pack training rows: the features of one client at one moment, for the store."""

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
"""Describe a row as it is stored.

- ``requests`` of the client since its row before.
- ``route``: hash of the route of its latest request.
- ``regular``: 1 for a regular of the site.
- ``feedback`` of an operator: 0 none, 1 good, 2 abuse.
- ``client``: hash of its key; of one in a network, the upper half is the network's.
- ``at``: seconds since the epoch.
"""
_TAG_BYTES: Final = int(SCHEMA, 16).to_bytes(4, "little")
GOOD: Final = 1
ABUSE: Final = 2
TAG: Final = int(SCHEMA, 16)
Rows = NDArray[Any]


def client_hash(client: str) -> int:
    """Compute the 64-bit hash of a client's key, the same in every process."""
    digest = hashlib.blake2b(client.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _row_client(client: str, network: str) -> int:
    """Compute the number by which rows name a client: half of it is its network's, if any."""
    own = client_hash(client)
    return own if not network else client_hash(network) >> 32 << 32 | own & 0xFFFFFFFF


def pack_rows(
    clients: Sequence[str],
    requests: NDArray[Any],
    at: NDArray[np.float64],
    features: NDArray[np.float32],
    routes: Sequence[str] | None = None,
    regular: NDArray[Any] | bool = False,
    feedback: NDArray[Any] | int = 0,
    networks: Sequence[str] | None = None,
) -> list[bytes]:
    """Pack rows, each into bytes of its own.

    Args:
        clients: The clients' keys, one a row.
        requests: Requests that each row stands for.
        at: Times of the rows, in seconds since the epoch.
        features: The features, shape (rows, number of features).
        routes: The route of each client's latest request.
        regular: Which clients are regulars.
        feedback: Operators' feedback on the clients.
        networks: The network of each, whose rows are bounded; empty for none.
    """
    rows = np.zeros(len(clients), dtype=ROW)
    rows["schema"] = TAG
    rows["requests"] = requests
    if routes is not None:
        rows["route"] = [route_hash(route) for route in routes]
    rows["regular"] = regular
    rows["feedback"] = feedback
    names = zip(clients, networks or ("",) * len(clients), strict=True)
    rows["client"] = [_row_client(client, network) for client, network in names]
    rows["at"] = at
    rows["features"] = features
    data = rows.tobytes()
    return [data[i : i + ROW.itemsize] for i in range(0, len(data), ROW.itemsize)]


def damaged_rows(packed: Sequence[bytes]) -> int:
    """Count the rows of this schema that can't be read; those of others are no damage."""
    own = [row for row in packed if row.startswith(_TAG_BYTES)]
    return len(own) - len(unpack_rows(own))


def unpack_rows(packed: Sequence[bytes]) -> Rows:
    """Unpack rows in order of time; leave out damaged ones and those of another schema."""
    rows = np.frombuffer(
        b"".join(row for row in packed if len(row) == ROW.itemsize), dtype=ROW
    ).copy()
    rows = rows[rows["schema"] == TAG]
    rows = rows[np.isfinite(rows["features"]).all(axis=1)]
    ordered: Rows = rows[np.argsort(rows["at"], kind="stable")]
    return ordered


def within_quota(rows: Rows, share: float, least: int) -> Rows:
    """Thin out the rows of clients that have too many.

    Args:
        rows: Rows in order of time.
        share: Largest share of all rows that one client may have, 0 to 1.
        least: Number of rows that any client may have.

    Returns:
        The rows, in order; of a thinned-out client every n-th, so that they span its whole time.
    """
    return _thinned(rows, rows["client"], max(least, int(len(rows) * share)))


def within_network_quota(rows: Rows, share: float, least: int) -> Rows:
    """Thin out the rows of networks that have too many, as :func:`within_quota` does.

    Args:
        rows: Rows in order of time.
        share: Largest share of the rows that are left, which those of one network may be.
        least: Number of rows that any network may have.
    """
    networks = rows["client"] >> np.uint64(32)
    _, counts = np.unique(networks, return_counts=True)
    quota = max(least, int(len(rows) * share))
    while True:
        # What is taken from one network makes the others' shares larger.
        lower = max(least, int(np.minimum(counts, quota).sum() * share))
        if lower >= quota:
            return _thinned(rows, networks, quota)
        quota = lower


def _thinned(rows: Rows, groups: NDArray[np.uint64], quota: int) -> Rows:
    """Keep at most so many rows of each group, spread over all of its time."""
    keep = np.ones(len(rows), dtype=bool)
    names, counts = np.unique(groups, return_counts=True)
    for name in names[counts > quota]:
        own = np.flatnonzero(groups == name)
        keep[own] = False
        keep[own[np.linspace(0, len(own) - 1, quota).round().astype(int)]] = True
    thinned: Rows = rows[keep]
    return thinned
