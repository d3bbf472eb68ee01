"""Train one model for all tenants that have too few rows for a model of their own.

Only rows go into it, and the counters of routes and hours: no client's key, no profile. A row has
figures of a client's behaviour, and in place of its key a number that is of no use to anybody else.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from flask_irl.behaviour.rows import unpack_rows
from flask_irl.stores.base import Store

MOST_TENANTS: Final = 200
"""Tenants whose rows one training reads at most; another time others."""


class Material(Protocol):
    """Hold what a training learns from; a store does."""

    def counts(self) -> dict[str, int]:
        """Read the site's counters."""

    def rows(self) -> list[bytes]:
        """Read all training rows, oldest first."""


class Pooled(NamedTuple):
    """Name a tenant whose rows may be pooled.

    Attributes:
        tenant: Its name.
        store: Its own part of the store.
    """

    tenant: str
    store: Store


class Pool:
    """Give the rows of tenants that have few, each tenant's up to a quota.

    Args:
        members: Lists the tenants that take part.
        quota: Rows with which a tenant has a model of its own; none has as many in the pool.
        seed: Of the choice among many tenants, for tests.
    """

    def __init__(
        self, members: Callable[[], Sequence[Pooled]], quota: int, seed: int | None = None
    ) -> None:
        self._members = members
        self._quota = quota
        # No secret depends on it.
        self._random = random.Random(seed)  # noqa: S311

    def counts(self) -> dict[str, int]:
        """Add up the counters of those tenants."""
        total: Counter[str] = Counter()
        for member in self._small():
            total.update(member.store.counts())
        return dict(total)

    def rows(self) -> list[bytes]:
        """Read the rows of those tenants, oldest first."""
        packed = [self._marked(member) for member in self._small()]
        rows = np.concatenate(packed) if packed else unpack_rows([])
        return [row.tobytes() for row in rows[np.argsort(rows["at"], kind="stable")]]

    def _marked(self, member: Pooled) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
        """Read a tenant's latest rows, so that a client is another one than in other tenants."""
        rows = unpack_rows(member.store.rows()[-self._quota :]).copy()
        rows["client"] ^= np.uint64(zlib.crc32(member.tenant.encode()) << 2)
        return rows

    def _small(self) -> list[Pooled]:
        members = list(self._members())
        if len(members) > MOST_TENANTS:
            members = self._random.sample(members, MOST_TENANTS)
        return [x for x in members if 0 < x.store.row_count() < self._quota]
