"""The demo site's made-up goods: always the same, and kept nowhere."""

from __future__ import annotations

from random import Random
from typing import Any, Final

ITEMS: Final = 2000
PAGE_LENGTH: Final = 20
PAGES: Final = ITEMS // PAGE_LENGTH

_KINDS: Final = "kettle lamp rug chair clock teapot mirror basket blanket shelf".split()
_STUFFS: Final = "oak brass linen glass wool copper birch slate cork wicker".split()
_WORDS: Final = "made by hand in a small workshop near the coast and sent with care".split()


def item(number: int) -> dict[str, Any]:
    """One of the goods, as lists show it.

    Args:
        number: 1 to ``ITEMS``.
    """
    random = Random(number)
    return {
        "id": number,
        "name": f"{random.choice(_STUFFS)} {random.choice(_KINDS)}",
        "price": random.randint(500, 50_000) / 100,
        "stock": random.randint(0, 40),
    }


def description(number: int) -> str:
    """What is said of one of the goods: 20 to 200 words."""
    random = Random(-number)
    return " ".join(random.choices(_WORDS, k=random.randint(20, 200)))


def page_of_items(page: int) -> list[dict[str, Any]]:
    """The goods on one page.

    Args:
        page: 1 to ``PAGES``.
    """
    first = (page - 1) * PAGE_LENGTH + 1
    return [item(number) for number in range(first, first + PAGE_LENGTH)]
