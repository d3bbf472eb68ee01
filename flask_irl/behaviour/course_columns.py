"""Read and write the slots of many courses as columns. Pure."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flask_irl.behaviour.courses import (
    FORM,
    MINUTES,
    MOMENT_SECONDS,
    MOST_COUNTED,
    NEVER,
    SCORE_PARTS,
    SLOT_SECONDS,
)

PACKED: Final = np.dtype(
    [
        ("number", ">u4"),
        ("minutes", ">u2", (MINUTES,)),
        ("refused", ">u2"),
        ("lowest", ">u2"),
        ("step", "u1"),
        ("flagged", "u1"),
        ("relieved", "u1"),
    ]
)
"""Columns of packed slots, see ``courses.FORM``."""
COLUMNS: Final = np.dtype(
    [
        ("minutes", "<u4", (MINUTES,)),
        ("refused", "<u4"),
        ("lowest", "<f4"),
        ("step", "u1"),
        ("flagged_at", "<f8"),
        ("relieved_at", "<f8"),
    ]
)
"""Columns of slots, as in :class:`~flask_irl.behaviour.courses.Slot`; moments are 0 for never."""
Columns = NDArray[Any]


def pack_columns(number: int, columns: Columns) -> list[bytes]:
    """Pack slots of one number, as :func:`~flask_irl.behaviour.courses.pack` does each.

    Args:
        number: The slots' number.
        columns: Of :data:`COLUMNS`, at least.
    """
    packed = np.zeros(len(columns), dtype=PACKED)
    packed["number"] = number
    for name in ("minutes", "refused"):
        packed[name] = np.minimum(columns[name], MOST_COUNTED)
    packed["lowest"] = np.clip(np.rint(columns["lowest"] * -SCORE_PARTS), 0, SCORE_PARTS)
    packed["step"] = columns["step"]
    packed["flagged"] = _parts(number, columns["flagged_at"], NEVER, 0)
    packed["relieved"] = _parts(number, columns["relieved_at"], 0, 1)
    data, size = packed.tobytes(), FORM.size
    return [data[start : start + size] for start in range(0, len(data), size)]


def _parts(number: int, at: NDArray[np.float64], never: int, first: int) -> NDArray[np.float64]:
    since = np.clip(at - number * SLOT_SECONDS, 0, SLOT_SECONDS - 1) // MOMENT_SECONDS
    parts: NDArray[np.float64] = np.where(at == 0, never, first + since)
    return parts
