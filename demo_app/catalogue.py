"""Make up the demo site's goods: always the same, and stored nowhere.

Numbers are never used twice, so a third of them belong to goods that are sold and gone.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

LAST: Final = 3000
"""Highest number of any of the goods."""
PAGE_LENGTH: Final = 20

_KINDS: Final = "kettle lamp rug chair clock teapot mirror basket blanket shelf".split()
_STUFFS: Final = "oak brass linen glass wool copper birch slate cork wicker".split()
ON_SALE: Final = tuple(number for number in range(1, LAST + 1) if Random(number).random() > 1 / 3)
PAGES: Final = -(-len(ON_SALE) // PAGE_LENGTH)
_ON_SALE: Final = frozenset(ON_SALE)
_WORDS: Final = "made by hand in a small workshop near the coast and sent with care".split()


def is_on_sale(number: int) -> bool:
    """Tell whether a number belongs to goods on sale."""
    return number in _ON_SALE


def item(number: int) -> dict[str, Any]:
    """Make up one of the goods, as lists show it.

    Args:
        number: 1 to ``LAST``.
    """
    random = Random(number)
    return {
        "id": number,
        "name": f"{random.choice(_STUFFS)} {random.choice(_KINDS)}",
        "price": random.randint(500, 50_000) / 100,
        "stock": random.randint(1, 40),
    }


def description(number: int) -> str:
    """Make up the description of one of the goods: 20 to 200 words."""
    random = Random(-number)
    return " ".join(random.choices(_WORDS, k=random.randint(20, 200)))


def page_of_items(page: int) -> list[dict[str, Any]]:
    """List the goods on one page.

    Args:
        page: 1 to ``PAGES``.
    """
    first = (page - 1) * PAGE_LENGTH
    return [item(number) for number in ON_SALE[first : first + PAGE_LENGTH]]
