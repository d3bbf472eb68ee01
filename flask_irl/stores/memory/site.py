"""The operator's side of the memory store."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from flask_irl.stores.site import AUDIT_KEPT, RANKED, News

REGISTERS: Final = 1 << 14


class MemorySite:
    """Keep the site's state for ``MemoryStore``; see the protocol ``SiteStore``."""

    _lock: threading.Lock
    _version: int

    def __init__(self) -> None:
        self._epoch = 0
        self._settings: tuple[int, bytes | None] = (0, None)
        self._audit: deque[bytes] = deque(maxlen=AUDIT_KEPT)
        self._rankings: dict[str, dict[str, float]] = {}
        self._registers = bytearray(REGISTERS)

    def news(self) -> News:
        return News(self._version, self._settings[0], self._epoch)

    def bump(self) -> None:
        with self._lock:
            self._epoch += 1

    def settings(self) -> tuple[int, bytes | None]:
        return self._settings

    def put_settings(self, expected: int, settings: bytes) -> bool:
        with self._lock:
            if self._settings[0] != expected:
                return False
            self._settings = (expected + 1, settings)
            return True

    def add_audit(self, entry: bytes) -> None:
        with self._lock:
            self._audit.appendleft(entry)

    def audit(self, offset: int, count: int) -> tuple[list[bytes], int]:
        with self._lock:
            return list(self._audit)[offset : offset + count], len(self._audit)

    def rank(self, name: str, entries: Mapping[str, float], gone: Sequence[str] = ()) -> None:
        with self._lock:
            ranking = self._rankings.setdefault(name, {})
            ranking.update(entries)
            for client in gone:
                ranking.pop(client, None)
            # Sorted now and then only: a flush adds a few clients.
            if len(ranking) > 2 * RANKED:
                kept = _highest_first(ranking)
                self._rankings[name] = {client: ranking[client] for client in kept}

    def ranked(self, name: str, offset: int, count: int) -> tuple[list[str], int]:
        with self._lock:
            order = _highest_first(self._rankings.get(name, {}))
        return order[offset : offset + count], len(order)

    def saw(self, clients: Sequence[str]) -> None:
        # HyperLogLog (Flajolet 2007) with 2**14 registers, as in Redis.
        with self._lock:
            for client in clients:
                data = hashlib.blake2b(client.encode(), digest_size=8).digest()
                number = int.from_bytes(data, "little")
                index, rest = number % REGISTERS, number // REGISTERS
                rank = 51 - rest.bit_length()
                if rank > self._registers[index]:
                    self._registers[index] = rank

    def unique_clients(self) -> int:
        with self._lock:
            empty = self._registers.count(0)
            total = sum(2.0**-rank for rank in self._registers)
        estimate = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS**2 / total
        if empty and estimate <= 2.5 * REGISTERS:
            estimate = REGISTERS * math.log(REGISTERS / empty)
        return round(estimate)


def _highest_first(ranking: Mapping[str, float]) -> list[str]:
    """The clients that a ranking keeps, in order; equals as Redis has them, by name backwards."""
    return sorted(ranking, key=lambda client: (ranking[client], client), reverse=True)[:RANKED]
