"""The load test as a picture; the only module of it that uses matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests.load.scenario import STARTS, Scenario
from loadtests.load.verdict import share_served

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED: Final = 3
"""Seconds of normal traffic that make one point: a single second's is little."""
_SERVED: Final = "#2a9d6f"
_SENT: Final = "#efc4c9"
_ADMITTED: Final = "#d1495b"
_FULL: Final = "#1f2a3a"
_FAINT: Final = "#5b6675"
_SHADE: Final = "#f4f1ec"


def draw(counts: Mapping[str, Any], scenario: Scenario, path: Path) -> None:
    """Draw how normal clients were served and how much of the attack was admitted, as a PNG.

    Args:
        counts: As :meth:`~loadtests.load.tally.Tally.to_json` tells them.
        scenario: The plan.
        path: Of the picture.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # Whatever the user's own settings are.
    with matplotlib.rc_context({"text.usetex": False, "font.size": 10, "axes.spines.top": False}):
        layout = ConstrainedLayoutEngine(h_pad=0.09)
        figure = Figure(figsize=(9, 5.6), dpi=110, layout=layout)
        FigureCanvasAgg(figure)
        normal, attack = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.5))
        _draw_normal(normal, counts, scenario)
        _draw_attack(attack, counts, scenario)
        for axes in (normal, attack):
            _finish(axes, scenario)
        figure.savefig(path, format="png")


def normal_title(counts: Mapping[str, Any]) -> str:
    """What is written above the normal clients' curve.

    Args:
        counts: As :meth:`~loadtests.load.tally.Tally.to_json` tells them.
    """
    served = share_served(counts)
    if served is None:
        return "Normal clients served"
    # All that the share is of, with those that were under way when the time was over.
    total = sum(moment["normal_sent"] for moment in counts["seconds"])
    return f"Normal clients served: {served:.2%} of {total:,} requests"


def _draw_normal(axes: Axes, counts: Mapping[str, Any], scenario: Scenario) -> None:
    seconds = _seconds(counts, scenario)
    times, shares = [], []
    for start in range(0, len(seconds), SMOOTHED):
        some = seconds[start : start + SMOOTHED]
        sent = sum(moment["normal_sent"] for moment in some)
        if sent:
            times.append(start + len(some) / 2)
            shares.append(100 * sum(moment["normal_served"] for moment in some) / sent)
    axes.plot(times, shares, color=_SERVED, linewidth=2)
    axes.set_title(normal_title(counts), loc="left", fontsize=11)
    axes.set_ylim(0, 105)
    axes.set_yticks([0, 50, 100])
    axes.yaxis.set_major_formatter("{x:.0f} %")


def _draw_attack(axes: Axes, counts: Mapping[str, Any], scenario: Scenario) -> None:
    seconds = _seconds(counts, scenario)
    sent = [moment["attack_sent"] for moment in seconds]
    admitted = [moment["attack_admitted"] for moment in seconds]
    edges = list(range(len(seconds) + 1))
    axes.stairs(sent, edges, fill=True, color=_SENT, label="sent")
    axes.stairs(admitted, edges, fill=True, color=_ADMITTED, label="admitted")
    static = [moment["attack_within"] for moment in seconds]
    axes.stairs(static, edges, color=_FULL, linewidth=1.1, label="a static limit")
    total = max(1, sum(sent))
    axes.set_title(
        f"Attackers' requests per second: {sum(admitted) / total:.0%} of {sum(sent):,} admitted, "
        f"where a static limit admits {sum(static) / total:.0%}",
        loc="left",
        fontsize=11,
    )
    axes.set_ylim(0, max(*sent, 1) * 1.08)
    axes.set_xlabel("seconds", color=_FAINT)
    axes.legend(loc="upper right", frameon=False, handlelength=1.2, borderaxespad=0)


def _finish(axes: Axes, scenario: Scenario) -> None:
    length = scenario.seconds
    axes.axvspan(
        length * STARTS["attack"], length * STARTS["after"], color=_SHADE, zorder=-2, linewidth=0
    )
    axes.set_xlim(0, length)
    axes.grid(axis="y", color="#e4e8ee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines["right"].set_visible(False)


def _seconds(counts: Mapping[str, Any], scenario: Scenario) -> list[Mapping[str, int]]:
    """A moment for each second, also for those in which nothing was sent."""
    nothing = dict.fromkeys(
        ("normal_sent", "normal_served", "attack_sent", "attack_admitted", "attack_within"), 0
    )
    found = {moment["second"]: moment for moment in counts["seconds"]}
    return [found.get(second, nothing) for second in range(max(1, int(scenario.seconds)))]
