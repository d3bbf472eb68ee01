"""Draw pictures; the only module of the load tests that makes figures of matplotlib.

They are seven inches wide, so that their letters are as large as a page's own text where a page
shows them 700 pixels wide. The paper is white, in dark pages, too. Colours are Okabe and Ito's,
which the colour-blind can tell apart.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH: Final = 7.0
DPI: Final = 140
OURS: Final = "#0072b2"
OTHERS: Final = "#aab4c0"
NAIVE: Final = "#e69f00"
ATTACK: Final = "#d55e00"
INK: Final = "#1f2a3a"
FAINT: Final = "#5b6675"


@contextmanager
def saved_figure(path: Path, height: float, title: str) -> Iterator[Figure]:
    """Make a figure of a height in inches, and save it when the block ends; make its folder.

    Its format, PNG or SVG, is told by the path. Its metadata have the title, too: a test compares
    it with the texts of documents.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    path.parent.mkdir(parents=True, exist_ok=True)
    # Regardless of the user's own settings.
    with matplotlib.rc_context({"text.usetex": False, "font.size": 9.5, "text.color": INK}):
        engine = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1)
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout=engine)
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.015, ha="left", fontsize=12.5, weight="bold", linespacing=1.3)
        yield figure
        kind = "svg" if path.suffix == ".svg" else "png"
        figure.savefig(path, format=kind, metadata={"Title": " ".join(title.split())})


def tidy(axes: Axes, title: str) -> None:
    """Set the title, remove the frame."""
    axes.set_title(title, loc="left", fontsize=10.5, pad=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params("x", colors=FAINT)
    axes.set_axisbelow(True)


def label(axes: Axes, unit: str) -> None:
    """Name the unit of the horizontal axis."""
    axes.set_xlabel(unit, color=FAINT, fontsize=9, loc="left", parse_math=False)


def hide_rows(axes: Axes) -> None:
    """Hide the vertical axis."""
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def note(figure: Figure, text: str) -> None:
    """Write a note at the foot of a figure."""
    figure.supxlabel(
        textwrap.fill(text, 98), x=0.015, ha="left", color=FAINT, fontsize=8, parse_math=False
    )


def draw_bars(axes: Axes, values: list[float], colours: list[str], texts: list[str]) -> None:
    """Draw horizontal bars from top to bottom, each with its text at its end; no axis for these."""
    rows = range(len(values))
    axes.barh(rows, values, height=0.7, color=colours)
    beside = max(*values, 0.0, 1e-9) * 0.01
    for row, value, text in zip(rows, values, texts, strict=True):
        axes.text(max(value, 0.0) + beside, row, text, va="center", color=INK)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params("y", left=False, labelsize=9, colors=INK)
