"""Draw the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from loadtests import picture
from loadtests.evaluation import figures
from loadtests.evaluation.figures import Log, labels, mean_share, of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SYSTEMS: Final = (
    ("flask_irl", "refused", picture.OURS),
    ("the plain rule", "plain_refused", "#e2a53a"),
    ("static limit", "static", picture.PALE),
)
LEAST: Final = 0.001
"""Points; the lower part's scale is logarithmic."""


def draw(logs: Sequence[Log], path: Path) -> None:
    """Draw, as a PNG, the share of each attack that is refused, and legitimate clients' loss."""
    with picture.saved_figure(path, (9, 9), gap=0.12, dpi=100) as figure:
        upper, lower = figure.subplots(2, 1, height_ratios=(3.6, 1))
        _draw_attacks(upper, of(logs, ("ordinary",)))
        _draw_losses(lower, logs)


def _draw_attacks(axes: Axes, logs: Sequence[Log]) -> None:
    names = [label for label in labels(logs) if label.startswith("attack:")]
    names.sort(key=lambda label: -mean_share(logs, [label]))
    for place, (system, member, colour) in enumerate(SYSTEMS):
        rows = [row + (place - 1) * 0.27 for row in range(len(names))]
        values = [mean_share(logs, [label], member) for label in names]
        axes.barh(rows, values, height=0.25, color=colour, label=system)
        if member == "refused":
            spread = [figures.shares(logs, label) for label in names]
            axes.hlines(rows, [*map(min, spread)], [*map(max, spread)], color="#14523a", lw=1.2)
            for row, value in zip(rows, values, strict=True):
                axes.text(101.5, row, f"{value:.0f}", va="center", color=colour, fontsize=9)
    picture.label_bars(axes, [n.removeprefix("attack:").replace("_", " ") for n in names])
    axes.set_xlim(0, 106)
    axes.xaxis.set_major_formatter("{x:.0f} %")
    axes.legend(loc="lower right", frameon=False, bbox_to_anchor=(0.96, 0.0))
    title = f"Attackers' requests refused, mean of {len(logs)} ordinary logs; lines: least to most"
    picture.tidy(axes, "x", title)


def _draw_losses(axes: Axes, logs: Sequence[Log]) -> None:
    parts = [
        (text, of(logs, names), most) for text, names, most in figures.LOSSES if of(logs, names)
    ]
    for row, (_, some, most) in enumerate(parts):
        for place, (_, member, colour) in enumerate(SYSTEMS[:2]):
            loss = fmean(figures.over_static(log["families"], member) for log in some)
            height, end = row + (place - 0.5) * 0.32, max(loss, LEAST)
            axes.barh(height, end, height=0.3, color=colour)
            axes.text(end * 1.12, height, f"{loss:.2g}", va="center", color=colour, fontsize=9)
        axes.vlines(most, row - 0.4, row + 0.4, color=picture.ALLOWED, linewidth=2)
        text = f"allowed: {most:g}"
        axes.text(most * 1.08, row - 0.44, text, color=picture.ALLOWED, fontsize=8, va="bottom")
    axes.set_xscale("log")
    axes.set_xlim(LEAST, 60)
    picture.label_bars(axes, [text for text, _, _ in parts])
    axes.set_ylim(len(parts) - 0.4, -0.8)
    axes.xaxis.set_major_formatter("{x:g}")
    title = (
        "Legitimate requests refused beyond what the static limit refuses, in points (log scale)"
    )
    picture.tidy(axes, "x", title)
