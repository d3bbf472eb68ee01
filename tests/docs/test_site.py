"""Test that the pages build into a site whose links lead somewhere, and which asks no other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FETCHED = r'<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]+)"|<link\b[^>]*\bhref="([^"]+)"'
"""What a browser fetches for a page."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build the site as ``make docs`` does."""
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    yield folder


def test_each_page_is_there(site: Path) -> None:
    pages = {path.stem for path in PAGES}
    assert pages - {path.stem for path in site.glob("*.html")} == set()


def test_a_readers_browser_asks_no_other_site(site: Path) -> None:
    fetched = {
        (path.name, *found)
        for path in site.glob("*.html")
        for found in re.findall(FETCHED, path.read_text(encoding="utf-8"))
    }
    assert fetched
    assert [
        found for found in fetched if any(re.match(r"(\w+:)?//", url) for url in found[1:])
    ] == []


def test_the_reference_has_the_public_names_in_plain_words(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    names = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert [name for name in names if f'id="{name}"' not in page] == []
    assert re.findall(r":\w+:<code>", page) == []
