"""Lists in pages: which part is asked for, and what there is beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

MAX_PAGE: Final = 100_000
MAX_PAGE_SIZE: Final = 200
PAGE_SIZE: Final = 50


def offset_and_limit(query: Mapping[str, Any]) -> tuple[int, int]:
    """How many entries to leave out, and how many to show."""
    return (query["page"] - 1) * query["page_size"], query["page_size"]


def page_answer(
    name: str, entries: list[dict[str, Any]], total: int, query: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """A page's body and headers.

    Args:
        name: What the entries are called.
        entries: Those on this page.
        total: How many there are on all.
        query: What was asked for: ``page`` and ``page_size``.
    """
    page, size = query["page"], query["page_size"]
    body = {name: entries, "total": total, "page": page, "page_size": size}
    pages = -(-total // size)
    # The members are those of flask-smorest's own pagination.
    shown: dict[str, int] = {"total": total, "total_pages": pages}
    if pages:
        shown |= {"first_page": 1, "last_page": pages}
    if page <= pages:
        shown["page"] = page
        if page > 1:
            shown["previous_page"] = page - 1
        if page < pages:
            shown["next_page"] = page + 1
    return body, {"X-Pagination": json.dumps(shown)}
