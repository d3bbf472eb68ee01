"""Keep a table of encoded values with a revision, which grows with each change."""

from __future__ import annotations

from collections.abc import Sequence


class RevisedTable:
    """Keep encoded values by name; its user holds the lock.

    Attributes:
        values: The values.
        revision: The revision, 0 for a table that never had any.
    """

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.revision = 0

    def put(self, name: str, value: bytes, most: int) -> bool:
        """Write a value; False if there are ``most`` others already."""
        if name not in self.values and len(self.values) >= most:
            return False
        self.values[name] = value
        self.revision += 1
        return True

    def drop(self, names: Sequence[str], expected: int | None) -> bool:
        """Remove values; False if ``expected`` is another revision."""
        if expected is not None and expected != self.revision:
            return False
        dropped = [name for name in names if self.values.pop(name, None) is not None]
        self.revision += bool(dropped)
        return True
