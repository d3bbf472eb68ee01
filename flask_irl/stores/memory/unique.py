"""Estimate the number of different clients in little memory."""

from __future__ import annotations

import hashlib
import math
from typing import Final

REGISTERS: Final = 1 << 14


class UniqueCount:
    """Estimate a number of different names: HyperLogLog (Flajolet 2007), as precise as Redis's."""

    def __init__(self) -> None:
        self._registers = bytearray(REGISTERS)

    def add(self, name: str) -> None:
        """Count a name."""
        data = hashlib.blake2b(name.encode(), digest_size=8).digest()
        number = int.from_bytes(data, "little")
        index, rest = number % REGISTERS, number // REGISTERS
        rank = 51 - rest.bit_length()
        if rank > self._registers[index]:
            self._registers[index] = rank

    def estimate(self) -> int:
        """Estimate the number of different names, to about one percent."""
        empty = self._registers.count(0)
        total = sum(2.0**-rank for rank in self._registers)
        estimate = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS**2 / total
        if empty and estimate <= 2.5 * REGISTERS:
            # Linear counting is more precise for small numbers.
            estimate = REGISTERS * math.log(REGISTERS / empty)
        return round(estimate)
