"""Draw a replay as a picture; the only module that imports matplotlib, and only to draw."""

from __future__ import annotations

import io
import math
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from flask_irl.replay.files import ReportError, check_writable, write_whole
from flask_irl.replay.report import ClientReport, ModelReport, ReplayReport
from flask_irl.replay.series import Series
from flask_irl.replay.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 12

_COLUMNS = 320
_TICKS = 320
_DAY = 86_400.0
_ALLOWED = "#b9cbe0"
_REFUSED = "#d1495b"
_STATIC = "#1f2a3a"
_ACCEPTED = "#2a9d6f"
_KEPT_ASIDE = "#e9a03b"
_FAINT = "#5b6675"


def check_plottable(path: str | os.PathLike[str]) -> None:
    """Check before a long replay that its plot can be drawn and written.

    Raises:
        ReportError: matplotlib is missing, or ``path`` can't be written.
    """
    if find_spec("matplotlib") is None:
        raise _matplotlib_missing()
    check_writable(path)


def plot(report: ReplayReport, series: Series, path: str | os.PathLike[str]) -> None:
    """Draw requests over time, the models trained and the most refused clients, as a PNG.

    Raises:
        ReportError: matplotlib is missing, or ``path`` can't be written.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise _matplotlib_missing() from None

    bars = [client for client in report.ranked()[:BARS] if client.refused]
    picture = io.BytesIO()
    # The user's own settings may ask for TeX, which would run the names of clients as code.
    with matplotlib.rc_context(
        {"text.usetex": False, "timezone": "UTC", "font.size": 10, "axes.spines.top": False}
    ):
        heights = (3.6, 0.22, 0.3 + 0.26 * max(len(bars), 4))
        layout = ConstrainedLayoutEngine(h_pad=0.09)
        figure = Figure(figsize=(12, 2.1 + sum(heights)), dpi=130, layout=layout)
        FigureCanvasAgg(figure)
        times, models, clients = figure.subplots(3, 1, height_ratios=heights)
        figure.suptitle(_title(report), x=0.01, ha="left", fontsize=13, parse_math=False)
        _draw_times(times, series)
        models.sharex(times)
        _draw_models(models, report.models)
        _draw_clients(clients, bars)
        figure.savefig(picture, format="png")
    write_whole(path, picture.getvalue())


def _draw_times(axes: Axes, series: Series) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    merged = math.ceil(len(series.allowed) / _COLUMNS) or 1
    refused, allowed, static = (
        [sum(counts[i : i + merged]) for i in range(0, len(counts), merged)] or [0]
        for counts in (series.refused, series.allowed, series.static_refused)
    )
    width = series.bucket_seconds * merged
    start = series.first * series.bucket_seconds
    edges = [(start + i * width) / _DAY for i in range(len(allowed) + 1)]
    total = [a + b for a, b in zip(refused, allowed, strict=True)]
    # Refusals stand on the axis, so that they and the static limit's line can be compared.
    axes.stairs(total, edges, baseline=refused, fill=True, color=_ALLOWED, label="admitted")
    axes.stairs(refused, edges, fill=True, color=_REFUSED, label="refused")
    axes.stairs(static, edges, color=_STATIC, linewidth=1.1, label="a static limit refuses")
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(*total, 1) * 1.05)
    axes.set_ylabel(f"requests per {_duration(width)}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y", color="#e4e8ee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines["right"].set_visible(False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderaxespad=0.2)


def _draw_models(axes: Axes, models: tuple[ModelReport, ...]) -> None:
    low, high = axes.get_xlim()
    for in_force, colour in ((True, _ACCEPTED), (False, _KEPT_ASIDE)):
        days = [model.ts / _DAY for model in models if model.accepted is in_force]
        # Of ticks that would fall on one spot, one is drawn.
        spots = {int((day - low) / (high - low) * _TICKS): day for day in days}
        axes.vlines(list(spots.values()), 0, 1, color=colour, linewidth=1.4)
    accepted = sum(model.accepted for model in models)
    aside = len(models) - accepted
    text = f"{accepted:,} accepted (green), {aside:,} kept aside (amber); times are UTC"
    axes.set_xlabel(text, color=_FAINT, fontsize=9, loc="left")
    axes.set_ylabel("models", rotation=0, ha="right", va="center")
    axes.set_xlim(low, high)
    axes.set_yticks([])
    axes.tick_params(bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_clients(axes: Axes, clients: list[ClientReport]) -> None:
    axes.set_title("Most refused clients", loc="left", fontsize=11, pad=4)
    for side in ("right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    if not clients:
        axes.set_yticks([])
        axes.text(0, 0.5, "No client was refused.", transform=axes.transAxes, color=_FAINT)
        return
    rows = range(len(clients))
    axes.barh(rows, [client.refused for client in clients], height=0.68, color=_REFUSED)
    static = [client.static_refused for client in clients]
    marked = [row for row in rows if static[row]]
    axes.vlines(
        [static[row] for row in marked],
        [row - 0.42 for row in marked],
        [row + 0.42 for row in marked],
        color=_STATIC,
    )
    axes.set_yticks(rows, [_name(client) for client in clients], parse_math=False, fontsize=9)
    longest = max(*(client.refused for client in clients), *static)
    for row, client in zip(rows, clients, strict=True):
        axes.text(
            max(client.refused, client.static_refused) + longest * 0.008,
            row,
            f"{client.refused:,} of {client.requests:,}; static {client.static_refused:,}",
            va="center",
            color=_FAINT,
            fontsize=9,
        )
    axes.set_xlim(0, longest * 1.2)
    axes.set_ylim(max(len(clients), 4) - 0.4, -0.6)


def _name(client: ClientReport) -> str:
    name = f"{client.client} ({client.label})" if client.label else client.client
    # A character that the font lacks would be a box and a warning.
    name = printable(name, 1000).encode("ascii", "backslashreplace").decode("ascii")
    return name if len(name) <= 28 else name[:25] + "..."


def _title(report: ReplayReport) -> str:
    count = report.requests or 1
    return (
        f"{report.requests:,} requests of {len(report.clients):,} clients:"
        f" {report.refused / count:.2%} refused, {report.flagged / count:.2%} flagged;"
        f" a static limit refuses {report.static_refused / count:.2%}"
    )


def _duration(seconds: float) -> str:
    for unit, length in (("days", _DAY), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return "minute" if seconds == 60 else f"{seconds:.3g} seconds"


def _matplotlib_missing() -> ReportError:
    return ReportError('a plot needs matplotlib: pip install "flask-irl[plot]"')
