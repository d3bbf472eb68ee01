"""Draw a soak: what its workers and its store took, and how long requests did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADE: Final = "#f3d9c8"


def draw(run: Mapping[str, Any], title: str, path: Path) -> None:
    """Draw a run under a title; faults are shaded, and numbered as the report has them."""
    samples, latency = run["samples"], run["latency"]
    with picture.saved_figure(path, 8.0, title) as figure:
        memory, handles, keys, times = figure.subplots(4, 1, sharex=True)
        for pid in sorted({worker["pid"] for sample in samples for worker in sample["workers"]}):
            own = [(s["at"], w) for s in samples for w in s["workers"] if w["pid"] == pid]
            minutes = [at / 60 for at, _ in own]
            memory.plot(minutes, [w["mib"] for _, w in own], color=picture.OURS)
            handles.plot(minutes, [w["handles"] for _, w in own], color=picture.OURS)
            handles.plot(minutes, [w["threads"] for _, w in own], color=picture.NAIVE)
        keys.plot([s["at"] / 60 for s in samples], [s["keys"] for s in samples], color=picture.OURS)
        moments = [moment["at"] / 60 for moment in latency]
        times.plot(moments, [moment["p99"] for moment in latency], color=picture.NAIVE)
        times.plot(moments, [moment["p50"] for moment in latency], color=picture.OURS)
        times.set_yscale("log")
        for axes, name in (
            (memory, "Memory of each worker (PSS, MiB)"),
            (handles, "Its open handles, and its threads (orange)"),
            (keys, "Keys in Redis"),
            (times, "Time of a request: median, and one in a hundred (orange), ms"),
        ):
            picture.tidy(axes, name)
            _shade(axes, run)
        for axes in (memory, handles, keys):
            axes.set_ylim(bottom=0)
        picture.label(times, "minutes; faults are shaded")


def _shade(axes: Axes, run: Mapping[str, Any]) -> None:
    for fault in run["faults"]:
        axes.axvspan(fault["start"] / 60, fault["end"] / 60, color=SHADE, linewidth=0)
