"""Read the packed state of a client.

The state is a head (step, number of cells, signature of the client's own limits, generation,
revision, last seen, score), an override if 128 is added to the step, 16 bytes for each of the
client's own limits, and the profile. ``client.lua`` reads the same.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

from flask_irl.errors import ConfigurationError
from flask_irl.limits.current import Counted
from flask_irl.limits.override import KINDS, Override
from flask_irl.limits.plan import Plan
from flask_irl.limits.strategies.base import EMPTY, Cell
from flask_irl.stores.redis.damage import DamagedError
from flask_irl.stores.state import ClientState

HEAD: Final = struct.Struct("<BBHHIdf")
OVERRIDE: Final = struct.Struct("<BId")
OVERRIDDEN: Final = 128
CELL: Final = struct.Struct("<dII")
CELL_BYTES: Final = CELL.size
GENERATION: Final = struct.Struct("<H")
MOST_BYTES: Final = 65_536
"""Size of the longest state that is read: eight times that of any that is written."""
LATEST: Final = 2.0**53
"""The latest time in µs: a double holds no later one exactly."""


def decode_state(value: bytes) -> ClientState | None:
    """Read a client's state; None for a client that is forgotten.

    Raises:
        DamagedError: The bytes are no such state.
    """
    if not HEAD.size <= len(value) <= MOST_BYTES:
        raise DamagedError(f"{len(value)} bytes are no state")
    step, cells, _, _, revision, last, score = HEAD.unpack_from(value)
    if not (0 <= last <= LATEST and math.isfinite(score)):
        raise DamagedError(f"last seen {last!r} or score {score!r} is out of range")
    at, override = HEAD.size, None
    if step & OVERRIDDEN:
        override, at = _decode_override(value), at + OVERRIDE.size
    profile_at = at + CELL_BYTES * cells
    if len(value) < profile_at:
        raise DamagedError(f"{len(value)} bytes are no state of {cells} cells")
    if last == 0 and override is None:
        return None
    return ClientState(
        step & ~OVERRIDDEN, score, revision, last / 1e6, value[profile_at:], override
    )


def decode_counted(plan: Plan, values: Sequence[bytes | None]) -> Counted:
    """Read a client's state under a plan.

    Args:
        plan: The limits.
        values: The client's state, and the cells of each further scope; None where there are none.

    Raises:
        DamagedError: The state is none; damaged cells count as absent, as in ``hit.lua``.
    """
    state = values[0]
    known = None if state is None else decode_state(state)
    own = len(plan.scopes[0].limits)
    cells, generation = [EMPTY] * own, None
    if state is not None:
        flags, count, signature, generation, *_ = HEAD.unpack_from(state)
        at = HEAD.size + (OVERRIDE.size if flags & OVERRIDDEN else 0)
        if signature == plan.signatures[0] and count == own:
            cells = _cells(state, at, own)
    for scope, value in zip(plan.scopes[1:], values[1:], strict=True):
        count = len(scope.limits)
        found = [EMPTY] * count
        if value is not None and len(value) == GENERATION.size + CELL_BYTES * count:
            [born] = GENERATION.unpack_from(value)
            if scope.own_key or generation in (None, born):
                found = _cells(value, GENERATION.size, count)
        cells += found
    if known is None:
        return Counted(0, None, cells)
    return Counted(known.step, known.override, cells)


def _cells(value: bytes, at: int, count: int) -> list[Cell]:
    """Read cells that lie one behind the other; one that is no number is empty."""
    found = [CELL.unpack_from(value, at + CELL_BYTES * index) for index in range(count)]
    return [cell if math.isfinite(cell[0]) else EMPTY for cell in found]


def _decode_override(value: bytes) -> Override:
    try:
        kind, amount, until = OVERRIDE.unpack_from(value, HEAD.size)
        if kind == 0 or not 0 <= until <= LATEST:
            raise DamagedError(f"override of kind {kind} until {until!r}")
        return Override(KINDS[kind - 1], until / 1e6, amount)
    except (struct.error, IndexError, ConfigurationError) as error:
        raise DamagedError(f"override: {error}") from None
