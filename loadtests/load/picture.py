"""Draw the load test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests import picture
from loadtests.load.scenario import STARTS, Scenario
from loadtests.load.tally import share_served

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED: Final = 3
"""Seconds of normal traffic that make one point: a single second's is little."""


def draw(counts: Mapping[str, Any], scenario: Scenario, path: Path) -> None:
    """Draw, as a PNG, the share of normal clients served, and the part of the attack admitted."""
    # Also seconds in which nothing was sent.
    moments = {moment["second"]: moment for moment in counts["seconds"]}
    seconds = [moments.get(second, {}) for second in range(max(1, int(scenario.seconds)))]
    with picture.saved_figure(path, (9, 5.6), gap=0.09) as figure:
        normal, attack = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.5))
        _draw_normal(normal, seconds, normal_title(counts))
        _draw_attack(attack, seconds)
        length = scenario.seconds
        begin, end = (length * STARTS[stage] for stage in ("attack", "after"))
        for axes in (normal, attack):
            axes.axvspan(begin, end, color="#f4f1ec", zorder=-2, linewidth=0)
            axes.set_xlim(0, length)


def normal_title(counts: Mapping[str, Any]) -> str:
    """Write the title of the normal clients' curve."""
    share = share_served(counts)
    if share is None:
        return "Normal clients served"
    # All requests that the share is of, with those under way when the time was over.
    total = sum(moment["normal_sent"] for moment in counts["seconds"])
    return f"Normal clients served: {share:.2%} of {total:,} requests"


def _draw_normal(axes: Axes, seconds: list[Mapping[str, int]], title: str) -> None:
    times, shares = [], []
    sent, served = (_column(seconds, f"normal_{name}") for name in ("sent", "served"))
    for start in range(0, len(seconds), SMOOTHED):
        some = slice(start, min(start + SMOOTHED, len(seconds)))
        if total := sum(sent[some]):
            times.append((some.start + some.stop) / 2)
            shares.append(100 * sum(served[some]) / total)
    axes.plot(times, shares, color=picture.OURS, linewidth=2)
    axes.set_ylim(0, 105)
    axes.set_yticks([0, 50, 100])
    axes.yaxis.set_major_formatter("{x:.0f} %")
    picture.tidy(axes, "y", title)


def _draw_attack(axes: Axes, seconds: list[Mapping[str, int]]) -> None:
    names = ("sent", "admitted", "within")
    sent, admitted, static = (_column(seconds, f"attack_{name}") for name in names)
    edges = list(range(len(seconds) + 1))
    axes.stairs(sent, edges, fill=True, color="#efc4c9", label="sent")
    axes.stairs(admitted, edges, fill=True, color=picture.ALLOWED, label="admitted")
    axes.stairs(static, edges, color="#1f2a3a", linewidth=1.1, label="a static limit")
    total = max(1, sum(sent))
    axes.set_ylim(0, max(*sent, 1) * 1.08)
    axes.set_xlabel("seconds", color=picture.FAINT)
    axes.legend(loc="upper right", frameon=False, handlelength=1.2, borderaxespad=0)
    title = (
        f"Attackers' requests per second: {sum(admitted) / total:.0%} of {sum(sent):,} admitted, "
        f"where a static limit admits {sum(static) / total:.0%}"
    )
    picture.tidy(axes, "y", title)


def _column(seconds: list[Mapping[str, int]], name: str) -> list[int]:
    return [moment.get(name, 0) for moment in seconds]
