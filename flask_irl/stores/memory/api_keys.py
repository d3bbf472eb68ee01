"""Keep API keys in this process."""

from __future__ import annotations

import math
import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from flask_irl.api_keys.presented import Seen, StoredKey
from flask_irl.api_keys.record import REVISION_BYTES
from flask_irl.api_keys.text import id_of
from flask_irl.limits.decision import Hit
from flask_irl.limits.plan import Plan
from flask_irl.limits.quota_lease import LeaseCall, Leased
from flask_irl.stores.api_keys import NO_USE, KeyUse

LAST: Final = chr(sys.maxunicode)
"""Behind every name that begins with what stands before it."""


class MemoryApiKeys:
    """Keep API keys; see the protocol ``ApiKeyStore``."""

    _clock: Callable[[], float]
    _lock: threading.Lock
    hit: Callable[[Plan, Sequence[str], int], Hit]

    def __init__(self) -> None:
        # Each with the end of its time.
        self._api_keys: dict[str, tuple[bytes, float]] = {}
        self._key_names: list[str] = []
        self._key_uses: dict[str, KeyUse] = {}

    def api_key(self, key_id: str) -> StoredKey:
        now = self._clock()
        record, ends = self._api_keys.get(key_id, (None, math.inf))
        if now >= ends:
            self._api_keys.pop(key_id, None)
            self._key_uses.pop(key_id, None)
            record = None
        return StoredKey(record, now)

    def begin_keyed(self, plan: Plan, keys: Sequence[str], cost: int, seen: Seen) -> None:
        return

    def hit_keyed(
        self, plan: Plan, keys: Sequence[str], cost: int, seen: Seen, begun: object
    ) -> Hit | StoredKey:
        stored = self.api_key(id_of(keys[0]))
        known = stored.record is not None and stored.record[:REVISION_BYTES] == seen.revision
        if not known or (seen.until and stored.now >= seen.until):
            return stored
        return self.hit(plan, keys, cost)

    def begin_keyed_lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, seen: Seen
    ) -> None:
        return

    def keyed_lease(
        self, plan: Plan, keys: Sequence[str], call: LeaseCall, seen: Seen, begun: object
    ) -> Leased | StoredKey:
        # Nothing is far from here, so that nothing is gained by a lease.
        answer = self.hit_keyed(plan, keys, 1, seen, None)
        return Leased(answer) if isinstance(answer, Hit) else answer

    def put_api_key(
        self, key_id: str, expected: bytes, record: bytes, seconds: int | None = None
    ) -> bool:
        with self._lock:
            stored, now = self.api_key(key_id)
            if (b"" if stored is None else stored[:REVISION_BYTES]) != expected:
                return False
            self._api_keys[key_id] = (record, math.inf if seconds is None else now + seconds)
            return True

    def api_key_records(self, key_ids: Sequence[str]) -> list[bytes | None]:
        return [self.api_key(key_id).record for key_id in key_ids]

    def index_api_key(self, names: Sequence[str], gone: Sequence[str] = ()) -> None:
        with self._lock:
            for name in (*names, *gone):
                place = bisect_left(self._key_names, name)
                known = self._key_names[place : place + 1] == [name]
                if name in gone and known:
                    del self._key_names[place]
                elif name not in gone and not known:
                    self._key_names.insert(place, name)

    def api_key_names(self, beginning: str, offset: int, count: int) -> tuple[list[str], int]:
        with self._lock:
            first = bisect_left(self._key_names, beginning)
            last = bisect_left(self._key_names, f"{beginning}{LAST}")
            return self._key_names[first:last][offset : offset + count], last - first

    def add_key_uses(self, uses: Mapping[str, KeyUse]) -> None:
        with self._lock:
            for key_id, (requests, refused, last) in uses.items():
                if self.api_key(key_id).record is not None:
                    known = self._key_uses.get(key_id, NO_USE)
                    self._key_uses[key_id] = KeyUse(
                        known.requests + requests, known.refused + refused, max(known.last, last)
                    )

    def key_uses(self, key_ids: Sequence[str]) -> list[KeyUse]:
        return [self._key_uses.get(key_id, NO_USE) for key_id in key_ids]
