"""Draw the summary of a replay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flask_irl.replay.report import ClientReport, ReplayReport
from flask_irl.replay.summary import MAX_CLIENTS, summarize
from tests.replay.reports import EMPTY, client, report


def lines_of(report: ReplayReport) -> list[str]:
    """Draw a summary on a wide page."""
    console = Console(width=200, color_system=None, markup=False, highlight=False)
    with console.capture() as page:
        console.print(*summarize(report), sep="\n")
    return [line.rstrip() for line in page.get().rstrip().split("\n")]


def test_summary_names_totals_and_those_hit() -> None:
    hit = ClientReport("c0267bb75a44c", "scan", 4_000, 3_900, 3_950, 120, 31, 12.4)
    lines = lines_of(report(client("quiet", 1_000), hit))
    assert (
        lines[0] == "5,000 requests of 2 clients, 2 unreadable lines, 2 models trained (1 accepted)"
    )
    text = "\n".join(" ".join(line.split()) for line in lines)
    assert "refused 3,900 78.00% 1" in text
    assert "static limit refuses 120 2.40% 1" in text
    row = "c0267bb75a44c (scan) 4,000 3,900 3,950 120 request 31, after 12 s"
    assert row in text
    assert "quiet" not in text


def test_summary_is_short() -> None:
    lines = lines_of(report(*(client(f"c{i}", refused=1) for i in range(MAX_CLIENTS + 3))))
    assert lines[-1] == "and 3 more"
    assert len(lines) < MAX_CLIENTS + 12


def test_summary_of_nothing() -> None:
    assert lines_of(EMPTY)[0].startswith("0 requests of 0 clients")


@given(st.text(min_size=1))
def test_summary_is_printable(name: str) -> None:
    assert all(line.isprintable() for line in lines_of(report(client(name, refused=1))))
