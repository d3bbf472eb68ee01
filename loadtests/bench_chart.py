"""The comparison as a picture; the only module of the benchmark that uses matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests.bench_apps import OURS
from loadtests.bench_cases import FLASK_LIMITER, RAW_EVALSHA, THROTTLED, our_name, their_name
from loadtests.bench_figures import Key
from loadtests.bench_rivals import FIXED, MOVING, SLIDING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OURS: Final = "#2a9d6f"
_RIVAL: Final = "#b9cbe0"
_BARE: Final = "#d9dde3"
_LIMIT: Final = "#d1495b"
_FAINT: Final = "#5b6675"


@dataclass(frozen=True)
class Line:
    """One line of the picture.

    Attributes:
        text: What it is.
        key: Its case.
        bar: The ratio of flask_irl's time to this one that has a bar; empty if none has.
    """

    text: str
    key: Key
    bar: str = ""


def lines_of(store: str) -> list[Line]:
    """What a store's part shows, from top to bottom; ours first."""
    on_redis = store == "redis"
    lines = [
        Line("flask_irl\nwith model and headers", (OURS, store, our_name(1, True, True))),
        Line(
            "throttled-py\nfixed window, no headers",
            (THROTTLED, store, their_name(FIXED, False)),
            "redis_vs_throttled" if on_redis else "",
        ),
        *(
            Line(f"Flask-Limiter\n{text}, headers", (FLASK_LIMITER, store, their_name(kind, True)))
            for kind, text in ((FIXED, "fixed window"), (MOVING, "moving window"))
        ),
        Line(
            "Flask-Limiter\nsliding counter, headers",
            (FLASK_LIMITER, store, their_name(SLIDING, True)),
            f"{store}_vs_flask_limiter",
        ),
    ]
    if on_redis:
        text = "a script that does nothing\n(redis-py, bare call)"
        lines.append(Line(text, RAW_EVALSHA, "redis_vs_noop_evalsha"))
    return lines


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Draw what each system adds to a request, as a PNG.

    Args:
        report: The JSON of a run.
        path: Of the picture; its folder is made.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    added = {
        (case["system"], case["store"], case["case"]): float(case["added_us"])
        for case in report["cases"]
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whatever the user's own settings are.
    with matplotlib.rc_context({"text.usetex": False, "font.size": 10}):
        layout = ConstrainedLayoutEngine(h_pad=0.1)
        figure = Figure(figsize=(9, 6.6), dpi=110, layout=layout)
        FigureCanvasAgg(figure)
        figure.suptitle(
            "Time added to a Flask request, one limit, in µs; red: what is allowed to flask_irl",
            x=0.01,
            ha="left",
            fontsize=12,
        )
        upper, lower = figure.subplots(2, 1, height_ratios=(6, 5))
        _draw(upper, "redis", "on Redis", added, report["bars"])
        _draw(lower, "memory", "in memory", added, report["bars"])
        machine = report["machine"]
        lower.set_xlabel(
            f"{machine['cpu']}, {machine['cores']} cores; {machine['python']}; "
            f"{machine['redis'].partition(' (')[0]}; "
            f"Flask-Limiter {machine['libraries']['Flask-Limiter']}; "
            f"throttled-py {machine['libraries']['throttled-py']}",
            color=_FAINT,
            fontsize=8,
            loc="left",
            parse_math=False,
        )
        figure.savefig(path, format="png")


def _draw(
    axes: Axes, store: str, title: str, added: Mapping[Key, float], bars: Mapping[str, float]
) -> None:
    lines = lines_of(store)
    values = [added[line.key] for line in lines]
    colours = {OURS: _OURS, RAW_EVALSHA[0]: _BARE}
    axes.barh(
        range(len(lines)),
        values,
        height=0.66,
        color=[colours.get(line.key[0], _RIVAL) for line in lines],
    )
    allowed = [
        bars[line.bar] * value for line, value in zip(lines, values, strict=True) if line.bar
    ]
    longest = max(*values, *allowed, 1.0)
    beside = longest * 0.008
    for row, (line, value) in enumerate(zip(lines, values, strict=True)):
        axes.text(max(value, 0.0) + beside, row, f"{value:.0f}", va="center")
        if line.bar:
            most = bars[line.bar] * value
            axes.vlines(most, row - 0.4, row + 0.4, color=_LIMIT, linewidth=2)
            text = f"allowed: {bars[line.bar]:g} x = {most:.0f}"
            # To the right of whatever is on this line already.
            place = max(most, value + 0.07 * longest) + beside
            axes.text(place, row, text, color=_LIMIT, fontsize=9, va="center")
    axes.set_yticks(range(len(lines)), [line.text for line in lines], fontsize=9)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlim(0, longest * 1.36)
    axes.set_title(title, loc="left", fontsize=11)
    axes.tick_params(left=False)
    axes.grid(axis="x", color="#e4e8ee", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
