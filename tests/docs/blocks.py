"""Read the fenced blocks of the README and of the pages of docs/."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
PAGES: Final = tuple(sorted((ROOT / "docs").glob("*.md")))
DOCUMENTS: Final = (README, *PAGES)

FENCE: Final = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
TITLE: Final = re.compile(r'title="([^"]+)"')


class Block(NamedTuple):
    """Hold a fenced block.

    Attributes:
        page: Name of its document.
        line: Line of its fence, from 1.
        language: First word behind the fence, empty for none.
        title: Name of the file that it shows, None if it shows none.
        text: Lines within the fences.
    """

    page: str
    line: int
    language: str
    title: str | None
    text: str

    @property
    def place(self) -> str:
        """Name the block's place, for the id of a test."""
        return f"{self.page}:{self.line}"


def read(document: Path) -> Iterator[Block]:
    """Read the blocks of a document in order."""
    text = document.read_text(encoding="utf-8")
    for fence in FENCE.finditer(text):
        _, info, body = fence.groups()
        language, _, rest = info.strip().partition(" ")
        title = TITLE.search(rest)
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(document.name, line, language, title and title[1], textwrap.dedent(body))


BLOCKS: Final = tuple(block for document in DOCUMENTS for block in read(document))


def of(*languages: str) -> list[Block]:
    """List the blocks of these languages."""
    return [block for block in BLOCKS if block.language in languages]


def section(page: str, heading: str) -> str:
    """Give the text of a page's section, up to the next heading of the same level or above."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, f"{page} has no section {heading!r}"
    rest = text[found.end() :]
    # A # within a block is a comment.
    prose = FENCE.sub(lambda fence: " " * len(fence[0]), rest)
    end = re.search(rf"^#{{1,{len(found[1])}}} ", prose, re.MULTILINE)
    return rest[: end.start()] if end else rest
