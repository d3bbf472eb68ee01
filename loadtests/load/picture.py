"""Draw the load test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtests import picture
from loadtests.load.scenario import STARTS, Scenario
from loadtests.load.tally import share_served

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(run: Mapping[str, Any], path: Path) -> None:
    """Draw a run: attackers' requests per second, sent and admitted, above normal clients'."""
    scenario = Scenario(**run["scenario"])
    # Also seconds in which nothing was sent.
    moments = {moment["second"]: moment for moment in run["counts"]["seconds"]}
    seconds = [moments.get(second, {}) for second in range(max(1, int(scenario.seconds)))]
    with picture.saved_figure(path, 5.6, title_of(run["counts"])) as figure:
        attack, normal = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, 1))
        _draw_side(attack, seconds, "attack_sent", "attack_admitted", picture.ATTACK)
        limited = _column(seconds, "attack_within")
        attack.stairs(limited, color=picture.INK, linewidth=1.4)
        middle = round(scenario.seconds * 0.6)
        height = limited[min(middle, len(limited) - 1)]
        text = "a fixed limit alone would admit this"
        attack.annotate(text, (middle, height), (0, 4), textcoords="offset points", ha="center")
        picture.tidy(attack, "Attackers: scrapers, password guessers and floods")
        _draw_side(normal, seconds, "normal_sent", "normal_served", picture.OURS)
        picture.tidy(normal, "Normal clients")
        for axes in (attack, normal):
            axes.set_ylabel("requests a second", color=picture.FAINT, fontsize=9)
        start, end = (scenario.seconds * STARTS[stage] for stage in ("attack", "after"))
        text = f"seconds; the attack is from {start:.0f} to {end:.0f}"
        picture.label(normal, text)
        normal.set_xlim(0, scenario.seconds)


def title_of(counts: Mapping[str, Any]) -> str:
    """Write the finding: what was admitted of the attack, and served of normal clients."""
    # All requests, with those under way when the time was over.
    sums = {
        name: sum(moment[name] for moment in counts["seconds"])
        for name in ("normal_sent", "attack_sent", "attack_admitted", "attack_within")
    }
    attacked, share = max(1, sums["attack_sent"]), share_served(counts)
    served = "-" if share is None else f"{share:.2%}".replace(".00%", "%")
    return (
        f"{sums['attack_admitted'] / attacked:.0%} of the attack gets through (a fixed limit: "
        f"{sums['attack_within'] / attacked:.0%}),\n"
        f"{served} of normal clients' {sums['normal_sent']:,} requests are served"
    )


def _draw_side(
    axes: Axes, seconds: Sequence[Mapping[str, int]], sent: str, passed: str, colour: str
) -> None:
    """Draw requests sent, and in full colour those of them that passed, each with its name."""
    counts = {name: _column(seconds, name) for name in (sent, passed)}
    axes.stairs(counts[sent], fill=True, color=picture.OTHERS)
    axes.stairs(counts[passed], fill=True, color=colour)
    most = max(*counts[sent], 1)
    axes.set_ylim(0, most * 1.25)
    beyond = sum(counts[sent]) - sum(counts[passed])
    texts = ((f"{sum(counts[passed]):,} admitted", colour), (f"{beyond:,} refused", picture.FAINT))
    for place, (text, ink) in zip((0.0, 0.2), texts, strict=True):
        axes.text(place + 0.01, 0.9, text, transform=axes.transAxes, color=ink, weight="bold")


def _column(seconds: Sequence[Mapping[str, int]], name: str) -> list[int]:
    return [moment.get(name, 0) for moment in seconds]
