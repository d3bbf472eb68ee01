"""Page lists: find the part that a query selects, and describe the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

MAX_PAGE: Final = 100_000
MAX_PAGE_SIZE: Final = 200
PAGE_SIZE: Final = 50


def offset_and_limit(query: Mapping[str, Any]) -> tuple[int, int]:
    """Give the number of entries to skip, and the number of entries on a page."""
    return (query["page"] - 1) * query["page_size"], query["page_size"]


def page_answer(
    name: str, entries: Sequence[Mapping[str, Any]], total: int, query: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Give a page's body and headers.

    Args:
        name: The name of the list in the body.
        entries: The entries on this page.
        total: The number of entries on all pages.
        query: The query, with ``page`` and ``page_size``.
    """
    page, size = query["page"], query["page_size"]
    body = {name: entries, "total": total, "page": page, "page_size": size}
    pages = -(-total // size)
    # The members are those of flask-smorest's own pagination.
    pagination: dict[str, int] = {"total": total, "total_pages": pages}
    if pages:
        pagination |= {"first_page": 1, "last_page": pages}
    if page <= pages:
        pagination["page"] = page
        if page > 1:
            pagination["previous_page"] = page - 1
        if page < pages:
            pagination["next_page"] = page + 1
    return body, {"X-Pagination": json.dumps(pagination)}
