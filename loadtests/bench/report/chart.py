"""Draw the comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtests import picture
from loadtests.bench.cases.apps import OURS
from loadtests.bench.cases.catalogue import OURS_FULL, RAW_EVALSHA, Key, their, throttled
from loadtests.bench.cases.rivals import FIXED, MOVING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARE: Final = "#d9dde3"


@dataclass(frozen=True)
class Line:
    """Describe one line of the chart; ``bar`` names the ratio of our time to it, if it has one."""

    text: str
    key: Key
    bar: str = ""


def lines_of(store: str) -> list[Line]:
    """List the lines of a store from top to bottom, ours first."""
    on_redis = store == "redis"
    lines = [
        Line("flask_irl\nwith model and headers", (OURS, store, OURS_FULL)),
        Line(
            "throttled-py\nfixed window, no headers",
            throttled(store, headers=False),
            "redis_vs_throttled" if on_redis else "",
        ),
        *(
            Line(f"Flask-Limiter\n{text}, headers", their(store, kind))
            for kind, text in ((FIXED, "fixed window"), (MOVING, "moving window"))
        ),
        Line(
            "Flask-Limiter\nsliding counter, headers",
            their(store),
            f"{store}_vs_flask_limiter",
        ),
    ]
    if on_redis:
        text = "a script that does nothing\n(redis-py, bare call)"
        lines.append(Line(text, RAW_EVALSHA, "redis_vs_noop_evalsha"))
    return lines


def draw(document: str, path: Path) -> None:
    """Draw, as a PNG, the time that each system adds to a request, by the JSON of a run."""
    report = json.loads(document)
    added = {
        (case["system"], case["store"], case["case"]): float(case["added_us"])
        for case in report["cases"]
    }
    with picture.saved_figure(path, (9, 6.6)) as figure:
        title = "Time added to a Flask request, one limit, in µs; red: what is allowed to flask_irl"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        upper, lower = figure.subplots(2, 1, height_ratios=(6, 5))
        _draw(upper, "redis", "on Redis", added, report["bars"])
        _draw(lower, "memory", "in memory", added, report["bars"])
        machine = report["machine"]
        lower.set_xlabel(
            f"{machine['cpu']}, {machine['cores']} cores; {machine['python']}; "
            f"{machine['redis'].partition(' (')[0]}; "
            f"Flask-Limiter {machine['libraries']['Flask-Limiter']}; "
            f"throttled-py {machine['libraries']['throttled-py']}",
            color=picture.FAINT,
            fontsize=8,
            loc="left",
            parse_math=False,
        )


def _draw(
    axes: Axes, store: str, title: str, added: Mapping[Key, float], bars: Mapping[str, float]
) -> None:
    lines = lines_of(store)
    values = [added[line.key] for line in lines]
    colours = {OURS: picture.OURS, RAW_EVALSHA[0]: BARE}
    colour = [colours.get(line.key[0], picture.PALE) for line in lines]
    axes.barh(range(len(lines)), values, height=0.66, color=colour)
    allowed = {row: bars[line.bar] * values[row] for row, line in enumerate(lines) if line.bar}
    longest = max(*values, *allowed.values(), 1.0)
    beside = longest * 0.008
    for row, value in enumerate(values):
        axes.text(max(value, 0.0) + beside, row, f"{value:.0f}", va="center")
    for row, most in allowed.items():
        axes.vlines(most, row - 0.4, row + 0.4, color=picture.ALLOWED, linewidth=2)
        text = f"allowed: {bars[lines[row].bar]:g} x = {most:.0f}"
        # To the right of the other marks on this line.
        place = max(most, values[row] + 0.07 * longest) + beside
        axes.text(place, row, text, color=picture.ALLOWED, fontsize=9, va="center")
    picture.label_bars(axes, [line.text for line in lines])
    axes.tick_params("y", labelsize=9)
    axes.set_xlim(0, longest * 1.36)
    picture.tidy(axes, "x", title)
