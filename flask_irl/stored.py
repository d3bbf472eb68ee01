"""Read JSON that the store holds, and that anybody who can write there may have written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

MOST_BYTES: Final = 4 * 1024 * 1024
"""Size of the longest value that is read: ten times that of any that is written."""

Damaged = Callable[[str], object]
"""Takes the reason why a value, or a part of one, can't be read."""


def ignore(reason: str) -> None:
    """Take no notice of a damaged value."""


def read_json(data: bytes) -> Any:
    """Read a value, which may hold NaN and infinities.

    Raises:
        ValueError: It is no JSON, too long, or too deep.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"{len(data)} bytes are too many: at most {MOST_BYTES} are read")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None


def is_number(value: object) -> bool:
    """Tell whether a value is a number that a float can hold, and no truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
