"""The results as a picture; the only module of the evaluation that uses matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from loadtests.evaluation.figures import Log, labels, mean_share, of, over_static, shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OURS: Final = "#2a9d6f"
_PLAIN: Final = "#e2a53a"
_STATIC: Final = "#b9cbe0"
_LIMIT: Final = "#d1495b"
_FAINT: Final = "#5b6675"
SYSTEMS: Final = (
    ("flask_irl", "refused", _OURS),
    ("the plain rule", "plain_refused", _PLAIN),
    ("static limit", "static", _STATIC),
)
SCENARIOS: Final = (
    ("ordinary days", ("ordinary", "clean"), 0.1),
    ("flash crowd,\ndeploy", ("flash_crowd_deploy",), 0.5),
    ("holiday", ("holiday",), 0.5),
)
"""What the lower part shows, and the most that legitimate clients may lose there, in points."""
LEAST: Final = 0.001
"""Points; the lower part's scale is logarithmic."""


def draw(logs: Sequence[Log], path: Path) -> None:
    """Draw what is refused of each attack, and what legitimate clients lose, as a PNG.

    Args:
        logs: The results of ordinary logs and others.
        path: Of the picture; its folder is made.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    path.parent.mkdir(parents=True, exist_ok=True)
    # Whatever the user's own settings are.
    with matplotlib.rc_context({"text.usetex": False, "font.size": 10}):
        figure = Figure(figsize=(9, 9), dpi=100, layout=ConstrainedLayoutEngine(h_pad=0.12))
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, height_ratios=(3.6, 1))
        _attacks(upper, of(logs, ("ordinary",)))
        _losses(lower, logs)
        for axes in (upper, lower):
            axes.tick_params(left=False)
            axes.grid(axis="x", color="#e4e8ee", linewidth=0.8)
            axes.set_axisbelow(True)
            for side in ("top", "right", "left"):
                axes.spines[side].set_visible(False)
        figure.savefig(path, format="png")


def _attacks(axes: Axes, logs: Sequence[Log]) -> None:
    names = [label for label in labels(logs) if label.startswith("attack:")]
    names.sort(key=lambda label: -mean_share(logs, [label]))
    for place, (system, what, colour) in enumerate(SYSTEMS):
        rows = [row + (place - 1) * 0.27 for row in range(len(names))]
        values = [mean_share(logs, [label], what) for label in names]
        axes.barh(rows, values, height=0.25, color=colour, label=system)
        if what == "refused":
            _spread(axes, rows, [shares(logs, label) for label in names])
            for row, value in zip(rows, values, strict=True):
                axes.text(101.5, row, f"{value:.0f}", va="center", color=_OURS, fontsize=9)
    texts = [label.removeprefix("attack:").replace("_", " ") for label in names]
    axes.set_yticks(range(len(names)), texts)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 106)
    axes.xaxis.set_major_formatter("{x:.0f} %")
    axes.set_title(
        f"Attackers' requests refused, mean of {len(logs)} ordinary logs; lines: least to most",
        loc="left",
        fontsize=11,
    )
    axes.legend(loc="lower right", frameon=False, bbox_to_anchor=(0.96, 0.0))


def _spread(axes: Axes, rows: Sequence[float], found: Sequence[Sequence[float]]) -> None:
    axes.hlines(rows, [min(s) for s in found], [max(s) for s in found], color="#14523a", lw=1.2)


def _losses(axes: Axes, logs: Sequence[Log]) -> None:
    shown = [(text, of(logs, names), most) for text, names, most in SCENARIOS if of(logs, names)]
    for place, (_, what, colour) in enumerate(SYSTEMS[:2]):
        for row, (_, some, _) in enumerate(shown):
            loss = fmean(over_static(log["families"], what) for log in some)
            height = row + (place - 0.5) * 0.32
            axes.barh(height, max(loss, LEAST), height=0.3, color=colour)
            axes.text(
                max(loss, LEAST) * 1.12,
                height,
                f"{loss:.2g}",
                va="center",
                color=colour,
                fontsize=9,
            )
    for row, (_, _, most) in enumerate(shown):
        axes.vlines(most, row - 0.4, row + 0.4, color=_LIMIT, linewidth=2)
        text = f"allowed: {most:g}"
        axes.text(most * 1.08, row - 0.44, text, color=_LIMIT, fontsize=8, va="bottom")
    axes.set_xscale("log")
    axes.set_xlim(LEAST, 60)
    axes.set_yticks(range(len(shown)), [text for text, _, _ in shown])
    axes.set_ylim(len(shown) - 0.4, -0.8)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_title(
        "Legitimate requests refused beyond what the static limit refuses, in points (log scale)",
        loc="left",
        fontsize=11,
    )
