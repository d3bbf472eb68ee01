"""The pool of tenants with few rows: each up to a quota, and nobody's key in it."""

from __future__ import annotations

import numpy as np

from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.behaviour.rows import client_hash, pack_rows, unpack_rows
from flask_irl.stores.memory.store import MemoryStore
from flask_irl.training.pool import MOST_TENANTS, Pool, Pooled

QUOTA = 20


def tenant(name: str, rows: int, client: str = "ann", at: float = 0.0) -> Pooled:
    """Make a tenant with rows of a client."""
    store = MemoryStore()
    features = np.zeros((rows, len(FEATURE_NAMES)), dtype=np.float32)
    times = at + np.arange(rows, dtype=np.float64)
    store.add_rows(pack_rows([client] * rows, np.full(rows, 5), times, features), 20_000)
    store.add_counts({"requests": 5 * rows, "rows": rows, f"route:/{name}": 5 * rows})
    return Pooled(name, store)


def pool_of(*tenants: Pooled) -> Pool:
    return Pool(lambda: tenants, QUOTA, seed=1)


def test_tenants_with_few_rows_are_pooled_and_no_others() -> None:
    pool = pool_of(tenant("a", 5), tenant("b", QUOTA - 1), tenant("large", QUOTA), tenant("n", 0))
    assert len(pool.rows()) == 5 + QUOTA - 1
    counts = pool.counts()
    assert (counts["rows"], counts["requests"]) == (5 + QUOTA - 1, 5 * (5 + QUOTA - 1))
    assert "route:/large" not in counts


def test_a_client_of_two_tenants_is_two_clients_there() -> None:
    rows = unpack_rows(pool_of(tenant("a", 2), tenant("b", 2)).rows())
    assert len(set(rows["client"].tolist())) == 2
    assert client_hash("ann") not in rows["client"].tolist()


def test_the_rows_come_by_their_times() -> None:
    rows = unpack_rows(pool_of(tenant("a", 3, at=100.0), tenant("b", 3, at=98.5)).rows())
    assert rows["at"].tolist() == [98.5, 99.5, 100.0, 100.5, 101.0, 102.0]


def test_a_pool_of_nobody_is_empty() -> None:
    assert pool_of().rows() == []
    assert pool_of().counts() == {}


def test_of_thousands_of_tenants_some_are_read() -> None:
    one = tenant("a", 1)
    assert len(Pool(lambda: [one] * 2000, QUOTA, seed=1).rows()) == MOST_TENANTS
