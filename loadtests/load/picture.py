"""Draw the load test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests import picture
from loadtests.load.scenario import STARTS, Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ATTACKERS: Final = "Attackers: scrapers, password guessers and floods"


def draw(run: Mapping[str, Any], path: Path) -> None:
    """Draw a run: attackers' requests a second, sent and admitted, above normal clients'."""
    scenario, moments = Scenario(**run["scenario"]), run["counts"]["seconds"]
    # Also seconds in which nothing was sent.
    edges = range(max(1, int(scenario.seconds)) + 1)
    by_second = {moment["second"]: moment for moment in moments}
    seconds = [by_second.get(second, {}) for second in edges[:-1]]
    totals = totals_of(run["counts"])
    with picture.saved_figure(path, 5.6, title_of(run["counts"])) as figure:
        attack, normal = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, 1))
        for axes, side, passed, colour, title in (
            (attack, "attack", "admitted", picture.ATTACK, ATTACKERS),
            (normal, "normal", "served", picture.OURS, "Normal clients"),
        ):
            sent = _column(seconds, f"{side}_sent")
            axes.stairs(sent, edges, fill=True, color=picture.OTHERS)
            axes.stairs(_column(seconds, f"{side}_{passed}"), edges, fill=True, color=colour)
            axes.set_ylim(0, max(*sent, 1) * 1.25)
            axes.set_ylabel("requests a second", color=picture.FAINT, fontsize=9)
            many = totals[f"{side}_{passed}"]
            rest = totals[f"{side}_sent"] - many
            _write(axes, 0.01, f"{many:,} {passed}", colour)
            _write(axes, 0.23, f"{rest:,} refused", picture.FAINT)
            picture.tidy(axes, title)
        limited = _column(seconds, "attack_within")
        attack.stairs(limited, edges, color=picture.INK, linewidth=1.4)
        middle = int(scenario.seconds * 0.6)
        text = "a fixed limit alone would admit this"
        place = (middle, limited[middle])
        attack.annotate(text, place, (0, 4), textcoords="offset points", ha="center")
        start, end = (scenario.seconds * STARTS[stage] for stage in ("attack", "after"))
        picture.label(normal, f"seconds; the attack is from {start:.0f} to {end:.0f}")
        normal.set_xlim(0, scenario.seconds)


def totals_of(counts: Mapping[str, Any]) -> Counter[str]:
    """Count all requests, with those under way when the time was over."""
    return sum(map(Counter, counts["seconds"]), Counter())


def title_of(counts: Mapping[str, Any]) -> str:
    """Write the finding: how much was admitted of the attack, and served of normal clients."""
    totals = totals_of(counts)
    attacked = max(1, totals["attack_sent"])
    # Never rounded up to all.
    served = int(1000 * totals["normal_served"] / max(1, totals["normal_sent"])) / 10
    return (
        f"{totals['attack_admitted'] / attacked:.0%} of the attack gets through (a fixed limit: "
        f"{totals['attack_within'] / attacked:.0%}),\n"
        f"{served:g}% of normal clients' {totals['normal_sent']:,} requests are served"
    )


def _write(axes: Axes, place: float, text: str, colour: str) -> None:
    axes.text(place, 0.9, text, transform=axes.transAxes, color=colour, weight="bold")


def _column(seconds: Sequence[Mapping[str, int]], name: str) -> list[int]:
    return [moment.get(name, 0) for moment in seconds]
