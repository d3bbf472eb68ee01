"""Hold documents to the stored run: the benchmark's tables, and the texts of pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")
pytest.importorskip("throttled", reason="needs the dependency group bench")

from loadtests.bench.report.tables import overview
from loadtests.stored import read
from loadtests.tables import Table

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
STORED = ROOT / "docs" / "images" / "bench.json"


def differing(document: str) -> list[str]:
    """List rows of a document that begin like one of the comparison's, and aren't one of it."""
    comparison = next(iter(overview(read("cases", str(STORED)))))
    assert isinstance(comparison, Table)
    _, _, *rows = comparison.markdown().splitlines()[2:]
    firsts = {row.split(" | ")[0] for row in rows}
    return [
        line
        for line in document.splitlines()
        if line.split(" | ")[0] in firsts and line.rstrip() not in rows
    ]


def test_documents_have_the_figures_of_the_stored_run() -> None:
    assert [line for path in DOCUMENTS for line in differing(path.read_text("utf-8"))] == []


def test_a_figure_of_another_run_is_found() -> None:
    wrong = "| added to a request on Redis, one limit, µs |  | 1 | 2 | 3 |"
    assert differing(f"# Cost\n\n{wrong}\n") == [wrong]


@pytest.mark.parametrize("name", ["bench", "detection", "load", "soak"])
def test_the_text_of_a_picture_begins_with_its_title(name: str) -> None:
    with Image.open(ROOT / "docs" / "images" / f"{name}.png") as picture:
        title = picture.info["Title"]
    pattern = re.compile(rf"!\[([^\]]*)\]\([\w/]*images/{name}\.png\)")
    shown = [text for path in DOCUMENTS for text in pattern.findall(path.read_text("utf-8"))]
    assert shown
    assert [text for text in shown if not " ".join(text.split()).startswith(title)] == []
