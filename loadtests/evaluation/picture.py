"""Draw the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, NamedTuple

from loadtests import picture
from loadtests.evaluation import bars, figures
from loadtests.evaluation.figures import Log, labels, mean_share, of
from loadtests.simulator.families import FAMILIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST: Final = 90.0
"""Percent of an attack's requests that are refused, from which on the title counts it."""
PLAIN: Final = "a plain Isolation Forest"
LOSSES: Final = (
    ("ordinary days", ("ordinary",)),
    ("flash crowd with deploy", ("flash_crowd_deploy",)),
    ("holiday", ("holiday",)),
    ("mail and log-ins at nine", ("morning",)),
    ("mobile API", ("mobile_api",)),
)
"""Scenarios, in words."""


class Attack(NamedTuple):
    """Hold the mean shares refused of one family of attacks, in percent.

    ``plain`` is None where the plain rule was not applied.
    """

    label: str
    unseen: float
    taught: float
    plain: float | None
    limit: float


def attacks(logs: Sequence[Log], windows: Sequence[Log] = ()) -> list[Attack]:
    """List families: those of made-up sites, and walks of known paths, most refused first."""
    sites = of(logs, bars.SITES)
    walked = [*of(logs, ("mobile_api",)), *of(windows, ("injected",))]
    found = [_attack(sites, label) for label in labels(sites) if label.startswith("attack:")]
    found += [_attack(walked, label) for label in labels(walked) if "walk" in label]
    return sorted(found, key=lambda attack: -attack.unseen)


def _attack(logs: Sequence[Log], label: str) -> Attack:
    taught, unseen = bars.taught(logs), bars.unseen(logs, label)
    ordinary = of(taught, ("ordinary",))
    plain = mean_share(ordinary, [label], "plain_refused") if ordinary else None
    return Attack(
        label,
        mean_share(unseen or taught, [label]),
        mean_share(taught, [label]),
        plain,
        mean_share(taught, [label], "static"),
    )


def draw(logs: Sequence[Log], path: Path, windows: Sequence[Log] = ()) -> None:
    """Draw the share of each attack that is refused, and what normal clients lose."""
    found = attacks(logs, windows)
    height = 3.6 + 0.5 * len(found)
    with picture.saved_figure(path, height, title_of(found)) as figure:
        upper, lower = figure.subplots(2, 1, height_ratios=(0.5 * len(found) + 0.3, 2.2))
        _draw_attacks(upper, found)
        _draw_losses(lower, logs, windows)


def title_of(found: Sequence[Attack]) -> str:
    """Write the finding: the attacks of which most is refused, though nothing like them was
    taught, against those under the limit."""
    ours, limit = (
        sum(round(share) >= MOST for share in shares)
        for shares in ([a.unseen for a in found], [a.limit for a in found])
    )
    return (
        f"In {ours or 'none'} of {len(found)} kinds of attack, not taught any like it, "
        f"flask_irl refuses\n{MOST:.0f}% or more of the requests, "
        f"a fixed limit alone in {limit or 'none'}"
    )


def _draw_attacks(axes: Axes, found: Sequence[Attack]) -> None:
    for row, attack in enumerate(found):
        axes.barh(row, attack.taught, height=0.36, color=picture.OTHERS)
        axes.barh(row, attack.unseen, height=0.36, color=picture.OURS)
        _write(axes, 101, row, f"{attack.unseen:.0f}%", picture.OURS)
        _mark(axes, row, attack.plain, attack.limit)
        name = attack.label.removeprefix("attack:").replace("_", " ")
        _write(axes, 0, row - 0.42, f"{name}: {FAMILIES.get(attack.label, '')}")
    # The key, above the first row.
    axes.barh(-1.2, 3, height=0.3, color=picture.OURS)
    _write(axes, 4, -1.2, "flask_irl, not taught its kind", picture.OURS)
    axes.barh(-1.2, 3, left=39, height=0.3, color=picture.OTHERS)
    _write(axes, 43, -1.2, "taught it")
    _mark(axes, -1.2, 57, 85)
    _write(axes, 59, -1.2, PLAIN)
    _write(axes, 86.5, -1.2, "a limit of 100")
    axes.set_xlim(-0.7, 108)
    axes.set_ylim(len(found) - 0.6, -1.5)
    axes.set_xticks(range(0, 101, 25))
    axes.xaxis.set_major_formatter("{x:.0f}%")
    picture.label(axes, "of the attackers' requests refused, mean of all logs")
    picture.tidy(axes, "")
    picture.hide_rows(axes)


def _mark(axes: Axes, row: float, plain: float | None, limit: float) -> None:
    axes.vlines(limit, row - 0.24, row + 0.24, color=picture.INK, linewidth=3)
    if plain is None:
        return
    axes.scatter(
        plain, row, s=50, color=picture.NAIVE, marker="D", ec="white", clip_on=False, zorder=4
    )


def _write(axes: Axes, x: float, row: float, text: str, colour: str = picture.INK) -> None:
    """Write a text that the size of the axes doesn't depend on."""
    weight = "normal" if colour == picture.INK else "bold"
    axes.text(x, row, text, va="center", fontsize=9, color=colour, weight=weight, in_layout=False)


def _draw_losses(axes: Axes, logs: Sequence[Log], windows: Sequence[Log]) -> None:
    groups = [(text, of(bars.taught(logs), some)) for text, some in LOSSES]
    injected = of(bars.taught(windows), ("injected",))
    groups += [
        (f"real log {name}", [w for w in injected if w["log"] == name])
        for name in sorted({w["log"] for w in injected})
    ]
    lines = []
    for text, some in groups:
        if some:
            loss = fmean(figures.over_static(log["families"]) for log in some)
            lines.append((loss, picture.OURS, f"flask_irl, {text}"))
    if ordinary := groups[0][1]:
        loss = fmean(figures.over_static(log["families"], "plain_refused") for log in ordinary)
        lines.append((loss, picture.NAIVE, f"{PLAIN}, {groups[0][0]}"))
    values = [loss for loss, _, _ in lines]
    colours = [colour for _, colour, _ in lines]
    texts = [f"{_share(loss)}  {text}" for loss, _, text in lines]
    picture.draw_bars(axes, values, colours, texts)
    axes.set_xlim(0, max(*values, 1.0) * 1.9)
    axes.xaxis.set_major_formatter("{x:g}%")
    picture.label(axes, "of normal clients' requests refused, beyond those over the fixed limit")
    picture.tidy(axes, "The price: normal clients' requests refused")
    picture.hide_rows(axes)


def _share(percent: float) -> str:
    """Write a share to two digits, and a trace of one as no more than that."""
    return "less than 0.001%" if 0 < percent < 0.001 else f"{percent:.2g}%"
