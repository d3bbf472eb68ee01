"""Hold the figures of documents: those in the benchmark's tables are of the stored run."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("flask_limiter", reason="needs the dependency group bench")
pytest.importorskip("throttled", reason="needs the dependency group bench")

from loadtests.bench.report.tables import overview
from loadtests.stored import read
from loadtests.tables import Table

ROOT = Path(__file__).parents[2]
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
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert [line for path in documents for line in differing(path.read_text("utf-8"))] == []


def test_a_figure_of_another_run_is_found() -> None:
    wrong = "| added to a request on Redis, one limit, µs |  | 1 | 2 | 3 |"
    assert differing(f"# Cost\n\n{wrong}\n") == [wrong]
