"""Write results as CSV, for spreadsheets; what a stranger has chosen is no formula there."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask_irl.operations.moments import is_moment, when
from flask_irl.operations.texts import plain

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
"""Beginnings of a text that a spreadsheet may take for a formula; wide forms among them."""
AFTER_SEPARATOR: Final = re.compile(rf"([;|] *)(?=[ \"]*[{re.escape(''.join(FORMULA))}])")
"""Place within a text where a cell with a formula begins for whoever splits lines at ``;``."""


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Write rows as CSV (RFC 4180), moments in ISO 8601.

    Args:
        rows: The rows.
        columns: Names of the members that are written, in order.
    """
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(name, row[name]) for name in columns] for row in rows)
    return page.getvalue()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if is_moment(name, value):
        return when(value) or ""
    if isinstance(value, (list, tuple)):
        value = "; ".join(map(str, value))
    if not isinstance(value, str):
        return str(value)
    # Nothing of it moves a terminal's cursor or ends a line; half a character has no bytes.
    safe = plain(value)
    # Quotes of CSV hold nothing together for who splits the line elsewhere.
    safe = AFTER_SEPARATOR.sub(r"\1'", safe)
    return f"'{safe}" if value.lstrip(' "').startswith(FORMULA) else safe
