"""Draw pictures; the only module of the load tests that makes figures of matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS: Final = "#2a9d6f"
PALE: Final = "#b9cbe0"
ALLOWED: Final = "#d1495b"
FAINT: Final = "#5b6675"


@contextmanager
def saved_figure(
    path: Path, size: tuple[float, float], *, gap: float = 0.1, dpi: int = 110
) -> Iterator[Figure]:
    """Make a figure of a size in inches, save it as a PNG when the block ends; make its folder."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    path.parent.mkdir(parents=True, exist_ok=True)
    # Regardless of the user's own settings.
    with matplotlib.rc_context({"text.usetex": False, "font.size": 10}):
        figure = Figure(figsize=size, dpi=dpi, layout=ConstrainedLayoutEngine(h_pad=gap))
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(path, format="png")


def tidy(axes: Axes, grid: Literal["x", "y"], title: str) -> None:
    """Set the title, remove frame and ticks, draw a faint grid behind the data."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(axis=grid, color="#e4e8ee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if grid == "x":
        axes.spines["left"].set_visible(False)
        axes.tick_params(left=False)


def label_bars(axes: Axes, labels: list[str]) -> None:
    """Name horizontal bars from top to bottom."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
