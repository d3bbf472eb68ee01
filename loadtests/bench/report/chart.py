"""Draw the comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadtests import picture
from loadtests.bench.cases.apps import OURS
from loadtests.bench.cases.catalogue import IN_FLASK_EVALSHA, OURS_FULL, Key, their, throttled
from loadtests.bench.cases.rivals import FIXED, MOVING
from loadtests.bench.report.figures import Report, added

STORES: Final = {"redis": "on Redis", "memory": "in the worker's memory"}


def lines_of(store: str) -> dict[Key, str]:
    """List the lines of a store from top to bottom, ours first."""
    nothing = {IN_FLASK_EVALSHA: "no limiter: one Redis call\nthat does nothing"}
    return {
        (OURS, store, OURS_FULL): "flask_irl\nwith its model",
        throttled(store, headers=False): "throttled-py\nfixed window, no headers",
        their(store): "Flask-Limiter\nsliding counter",
        their(store, MOVING): "Flask-Limiter\nmoving window",
        their(store, FIXED): "Flask-Limiter\nfixed window",
    } | (nothing if store == "redis" else {})


def draw(report: Report, path: Path) -> None:
    """Draw the time that each system adds to a request, by the figures of a run."""
    times = added(report)
    with picture.saved_figure(path, 6.4, title_of(report)) as figure:
        parts = figure.subplots(2, 1, height_ratios=(6, 5))
        for axes, (store, text) in zip(parts, STORES.items(), strict=True):
            lines = lines_of(store)
            values = [times[key] for key in lines]
            colours = [picture.OURS if key[0] == OURS else picture.OTHERS for key in lines]
            picture.draw_bars(axes, values, colours, [f"{value:.0f} µs" for value in values])
            axes.set_yticks(range(len(lines)), list(lines.values()))
            axes.set_xlim(0, max(*values, 1.0) * 1.12)
            picture.label(axes, "µs added to a request by one limit, median; less is better")
            picture.tidy(axes, f"Limits kept {text}")
        machine = report["machine"]
        libraries = machine["libraries"]
        picture.note(
            figure,
            f"{machine['cpu']}, {machine['cores']} cores; {machine['python']}; "
            f"{machine['redis'].partition(' (')[0]}; Flask-Limiter {libraries['Flask-Limiter']} "
            f"with headers; throttled-py {libraries['throttled-py']}. flask_irl asks Redis while "
            "Flask finds the route.",
        )


def title_of(report: Report) -> str:
    """Write the finding: our time against that of the rival that most apps use."""
    times = added(report)
    ours, theirs = (times[key] for key in ((OURS, "redis", OURS_FULL), their("redis")))
    return (
        f"On Redis flask_irl adds {ours:.0f} µs to a Flask request,\n"
        f"Flask-Limiter's sliding counter {theirs:.0f} µs"
    )
