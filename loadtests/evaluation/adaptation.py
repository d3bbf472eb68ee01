"""Measure how long a changed site takes to be usual: ``python -m loadtests.evaluation.adaptation``.

A clean log changes once, after the hours of learning. From then on the share of requests is
counted of clients that look like attackers: no regulars, with a sign of harm, and scored below
-0.5, whatever else holds their verdict back. So are those flagged in the end, and the share that is
refused over the limit alone. Nobody attacks, so all of it is wrong.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean, median
from types import MappingProxyType
from typing import Any, Final

from flask_irl.behaviour import profile
from flask_irl.behaviour.harm import harmful
from flask_irl.model.calibration import THRESHOLD
from flask_irl.verdicts.flush import Judged
from loadtests.evaluation.job import replaying
from loadtests.simulator.draws import Picker
from loadtests.simulator.scenarios import EPOCH, legitimate_log, make_scene
from loadtests.simulator.scene import HOUR, MINUTE, Deploy, Row, Scene
from loadtests.simulator.site import Route, renewed
from loadtests.tables import Table, make_console, print_markdown, print_parts

LEARNED: Final = 3.0 * HOUR
"""Time of the change; an hour before, the model has become more than advice."""
SPANS: Final = ((0, 5), (5, 15), (15, 30), (30, 60), (60, 90))
"""Minutes after the change over which shares are told."""
SPAN: Final = 10
"""Minutes that are looked at together."""
NOISE: Final = 0.001
"""Share above that of the hour before up to which a span counts as usual."""


def new_version(scene: Scene, at: float) -> list[Row]:
    """Deploy a new version: routes moved, some added, all sizes changed."""
    site = renewed(scene.first_site, scene.rng("version"))
    return legitimate_log(replace(scene, deploy=Deploy(at, site, 0.0, 0.0, 0.0)))


def new_route(scene: Scene, at: float) -> list[Row]:
    """Add a page and a call that are much in demand, and change nothing else."""
    site = scene.first_site
    pages = _with(site.routes["page"], Route("GET", "/live/{cat}", 7_000, 0.5, names=("cat",)))
    called = _with(site.api, Route("GET", "/live/{id}/state", 900, 0.4, names=("id",)))
    more = replace(site, routes={**site.routes, "page": pages}, api=called)
    return legitimate_log(replace(scene, deploy=Deploy(at, more, 0.0, 0.0, 0.0)))


def twice_as_many(scene: Scene, at: float) -> list[Row]:
    """Have as many newcomers again come, of every kind."""
    start = EPOCH + scene.begins * HOUR + at
    others = legitimate_log(replace(scene, seed=f"{scene.seed}/season"))
    known = {row.client for row in others if row.ts < start}
    return sorted([*legitimate_log(scene), *(row for row in others if row.client not in known)])


def twice_as_fast(scene: Scene, at: float) -> list[Row]:
    """Have all clients do the same at twice the pace."""
    start = EPOCH + scene.begins * HOUR + at
    longer = replace(scene, seconds=2 * scene.seconds - at)
    return [
        row if row.ts < start else row._replace(ts=round(start + (row.ts - start) / 2, 3))
        for row in legitimate_log(longer)
    ]


CHANGES: Final[Mapping[str, Callable[[Scene, float], list[Row]]]] = {
    "a new version": new_version,
    "a new page and call": new_route,
    "twice as many newcomers": twice_as_many,
    "all twice as fast": twice_as_fast,
}


@dataclass
class Course:
    """Count requests by minute after the change: all, and those of clients that look odd."""

    requests: Counter[int] = field(default_factory=Counter)
    odd: Counter[int] = field(default_factory=Counter)

    def share(self, start: int, end: int) -> float:
        """Give the share of the odd ones from a minute to another."""
        total = sum(self.requests[minute] for minute in range(start, end))
        return sum(self.odd[minute] for minute in range(start, end)) / max(total, 1)

    def usual_after(self, last: int) -> int | None:
        """Find the minute after which no ten minutes are odder than the hour before; None for none.

        Args:
            last: The last minute to look at, 10 or more.
        """
        most = self.share(-60, 0) + NOISE
        starts = range(last - SPAN + 1)
        strange = [start for start in starts if self.share(start, start + SPAN) > most]
        if not strange:
            return 0
        return None if strange[-1] == starts[-1] else strange[-1] + SPAN


def adapt(
    change: str,
    seed: int,
    which: str,
    hours: float,
    at: float = LEARNED,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Replay a log that changes after three hours, and give what came of it."""
    scene = make_scene("clean", seed, hours, which)
    changed = EPOCH + scene.begins * HOUR + at
    course = Course()

    def count(judged: Judged) -> None:
        profiles, verdicts = judged.profiles, judged.verdicts
        enough = profile.sums_of(profiles.records, "n") >= judged.ladder.evidence
        odd = (verdicts.model_scores < THRESHOLD) & harmful(verdicts.features) & ~verdicts.regular
        odd &= enough & (not judged.model.advisory)
        minutes = (profiles.records["updated"] - changed) // MINUTE
        for minute, number, strange in zip(minutes, profiles.observations, odd, strict=True):
            course.requests[int(minute)] += int(number)
            course.odd[int(minute)] += int(number * strange)

    with replaying(config) as replay:
        replay.profiler.on_judged = count
        for row in CHANGES[change](scene, at):
            replay.one(row)
        report, series = replay.report(), replay.series
    # Whole minutes: a log of hours never fills the series' buckets.
    place = int(changed // MINUTE) - series.first
    refused, static = sum(series.refused[place:]), sum(series.static_refused[place:])
    flagged = [minute for minute, some in enumerate(series.flagged[place:]) if some]
    last = min(len(series.refused) - place - 1, SPANS[-1][1])
    return {
        "change": change,
        "seed": seed,
        "models": len(report.models),
        "before": course.share(-60, 0),
        "odd": [course.share(*span) for span in SPANS],
        "over_static": (refused - static) / max(1, refused + sum(series.allowed[place:])),
        "flagged": sum(series.flagged[place:]),
        "last_flagged": max(flagged, default=None),
        "usual_after": course.usual_after(last),
        "minutes": last,
    }


def sections(results: Sequence[Mapping[str, Any]]) -> Iterator[Table | str]:
    """Make the table of changes: shares of requests, and minutes until all is as usual."""
    spans = (f"{start}-{end} min" for start, end in SPANS)
    headings = (
        *("change", "logs", "hour before", *spans),
        *("usual after, min: median", "most", "flagged requests", "refused over static"),
    )
    rows = []
    for change in CHANGES:
        some = [result for result in results if result["change"] == change]
        if some:
            after = [
                result["minutes"] if result["usual_after"] is None else result["usual_after"]
                for result in some
            ]
            more = "+" * any(result["usual_after"] is None for result in some)
            odd = ([result["odd"][place] for result in some] for place in range(len(SPANS)))
            rows.append(
                (
                    *(change, str(len(some)), _percent(result["before"] for result in some)),
                    *map(_percent, odd),
                    *(f"{median(after):.0f}", f"{max(after)}{more}"),
                    str(sum(result["flagged"] for result in some)),
                    _percent((result["over_static"] for result in some), 3),
                )
            )
    title = (
        "Share of requests whose clients the model scores below -0.5, before and after a change."
    )
    yield Table(headings, rows, title=title)


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay each change with each seed, show what came of it, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.evaluation.adaptation",
        description="Replay clean logs of a site that changes, and show how long it takes until "
        "its clients are usual.",
    )
    add = partial(parser.add_argument, metavar="N", type=int)
    add("--seeds", default=3, help="logs of each change (%(default)s)")
    add("--first-seed", default=601, help="seed of the first log (%(default)s)")
    add("--processes", default=2, help="logs replayed at a time (%(default)s)")
    parser.add_argument("--set", dest="which", choices=("design", "held_out"), default="held_out")
    parser.add_argument("--hours", type=float, default=4.5, help="length (%(default)s, above 3.2)")
    parser.add_argument("--changes", nargs="*", choices=tuple(CHANGES), default=tuple(CHANGES))
    parser.add_argument("--markdown", action="store_true", help="print the table for documents")
    options = parser.parse_args(arguments)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    wanted: list[tuple[str, int, str, float]] = [
        (change, seed, options.which, options.hours) for seed in seeds for change in options.changes
    ]
    if options.processes > 1:
        with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
            results = pool.starmap(adapt, wanted, chunksize=1)
    else:
        results = [adapt(*task) for task in wanted]
    if options.markdown:
        print_markdown(sections(results))
    else:
        print_parts(make_console(), sections(results))
    return 0


def _with(picker: Picker[Route], route: Route) -> Picker[Route]:
    """Add a route that is asked for as often as all others together."""
    total = picker.cumulative[-1]
    return Picker((*picker.items, route), (*picker.cumulative, 2 * total))


def _percent(shares: Iterable[float], digits: int = 2) -> str:
    return f"{100 * fmean(shares):.{digits}f}%"


if __name__ == "__main__":
    sys.exit(main())
