"""Draw the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

from loadtests import picture
from loadtests.evaluation import figures
from loadtests.evaluation.figures import Log, labels, mean_share, of
from loadtests.simulator.families import FAMILIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST: Final = 90.0
"""Percent of an attack's requests that are refused, from which on the title counts it."""
PLAIN: Final = "a plain Isolation Forest"


def draw(logs: Sequence[Log], path: Path) -> None:
    """Draw the share of each attack that is refused, and what normal clients lose."""
    ordinary = of(logs, ("ordinary",))
    attacks = [label for label in labels(ordinary) if label.startswith("attack:")]
    attacks.sort(key=lambda label: -mean_share(ordinary, [label]))
    height = 2.6 + 0.5 * len(attacks)
    with picture.saved_figure(path, height, title_of(ordinary, attacks)) as figure:
        upper, lower = figure.subplots(2, 1, height_ratios=(0.5 * len(attacks) + 0.3, 1.4))
        _draw_attacks(upper, ordinary, attacks)
        _draw_losses(lower, logs)


def title_of(logs: Sequence[Log], attacks: Sequence[str]) -> str:
    """Write the finding: the attacks of which most is refused, against those under the limit."""
    ours, limit = (
        sum(round(mean_share(logs, [label], member)) >= MOST for label in attacks)
        for member in ("refused", "static")
    )
    return (
        f"In {ours} of {len(attacks)} kinds of attack flask_irl refuses {MOST:.0f}% or more\n"
        f"of the requests, a fixed limit alone in {limit or 'none'}"
    )


def _draw_attacks(axes: Axes, logs: Sequence[Log], attacks: Sequence[str]) -> None:
    for row, label in enumerate(attacks):
        ours, plain, limit = (
            mean_share(logs, [label], member) for member in ("refused", "plain_refused", "static")
        )
        axes.barh(row, ours, height=0.36, color=picture.OURS)
        _write(axes, 101, row, f"{ours:.0f}%", picture.OURS)
        _mark(axes, row, plain, limit)
        name = label.removeprefix("attack:").replace("_", " ")
        _write(axes, 0, row - 0.42, f"{name}: {FAMILIES.get(label, '')}")
    # The key, above the first row.
    axes.barh(-1.2, 3, height=0.3, color=picture.OURS)
    _write(axes, 4, -1.2, "flask_irl", picture.OURS)
    _mark(axes, -1.2, 22, 55)
    _write(axes, 24, -1.2, PLAIN)
    _write(axes, 56.5, -1.2, "a fixed limit of 100 a minute")
    axes.set_xlim(-0.7, 108)
    axes.set_ylim(len(attacks) - 0.6, -1.5)
    axes.set_xticks(range(0, 101, 25))
    axes.xaxis.set_major_formatter("{x:.0f}%")
    picture.label(axes, f"of the attackers' requests refused, mean of {len(logs)} logs")
    picture.tidy(axes, "")
    picture.hide_rows(axes)


def _mark(axes: Axes, row: float, plain: float, limit: float) -> None:
    axes.vlines(limit, row - 0.24, row + 0.24, color=picture.INK, linewidth=3)
    axes.scatter(
        plain, row, s=50, color=picture.NAIVE, marker="D", ec="white", clip_on=False, zorder=4
    )


def _write(axes: Axes, x: float, row: float, text: str, colour: str = picture.INK) -> None:
    """Write a text that the size of the axes doesn't depend on."""
    weight = "normal" if colour == picture.INK else "bold"
    axes.text(x, row, text, va="center", fontsize=9, color=colour, weight=weight, in_layout=False)


def _draw_losses(axes: Axes, logs: Sequence[Log]) -> None:
    values, colours, texts = [], [], []
    for text, scenarios, _ in figures.LOSSES:
        for member, name, colour in (
            ("refused", "flask_irl", picture.OURS),
            ("plain_refused", PLAIN, picture.NAIVE),
        ):
            if some := of(logs, scenarios):
                losses = (figures.over_static(log["families"], member) for log in some)
                values.append(fmean(losses))
                colours.append(colour)
                texts.append(f"{_share(values[-1])}  {name}, {text}")
    picture.draw_bars(axes, values, colours, texts)
    axes.set_xlim(0, max(*values, 1.0) * 1.9)
    axes.xaxis.set_major_formatter("{x:g}%")
    picture.label(axes, "of normal clients' requests refused, beyond those over the fixed limit")
    picture.tidy(axes, "The price: normal clients' requests refused")
    picture.hide_rows(axes)


def _share(percent: float) -> str:
    """Write a share to two digits, and a trace of one as no more than that."""
    return "less than 0.001%" if 0 < percent < 0.001 else f"{percent:.2g}%"
