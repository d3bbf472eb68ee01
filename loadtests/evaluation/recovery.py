"""Measure the time until a flagged client that behaves again has its full limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from random import Random
from typing import Any, Final

from flask_irl.replay.runner import Replay
from loadtests.evaluation.job import replaying
from loadtests.simulator.attackers import Walk, times_at
from loadtests.simulator.scenarios import EPOCH, generate, make_scene
from loadtests.simulator.scene import HOUR, Caller, Row, Scene

HOURS: Final = 4.5
TURNS_BAD: Final = 3.0 * HOUR
BAD_SECONDS: Final = 300.0
WELL_SECONDS: Final = HOUR
WELL_RATE: Final = 3.0
"""Requests a minute of a person who reads the answers."""

Behaviour = Callable[[Caller, float, float], Iterator[Row]]


def recoveries(seed: int, which: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Replay a clean log in which three clients behave badly for five minutes, then well.

    Of each give the ``seconds`` from its last bad request to its first at the full limit, None if
    it was never flagged or never had it again, and the numbers of its good requests, all (``well``)
    and those ``refused``.
    """
    scene = make_scene("clean", seed, HOURS, which)
    start = EPOCH + scene.begins * HOUR
    courses = {f"198.51.100.{i}": kind for i, kind in enumerate(BEHAVIOURS, 1)}
    injected = [
        [row._replace(ts=start + row.ts) for row in _course(scene, client, kind)]
        for client, kind in courses.items()
    ]
    watch = {
        client: _Watch(max(row.ts for row in rows if row.label == "bad"))
        for client, rows in zip(courses, injected, strict=True)
    }
    with replaying(config) as course:
        for row in merge(generate("clean", seed, HOURS, which), *injected):
            course.one(row)
            if row.client in watch:
                watch[row.client].note(course, row)
    return [
        {
            "kind": kind,
            "seed": seed,
            "flagged": watch[client].flagged > 0,
            "seconds": watch[client].seconds if watch[client].flagged else None,
            "refused": watch[client].well_refused,
            "well": watch[client].well,
        }
        for client, kind in courses.items()
    ]


@dataclass
class _Watch:
    """Follow one client through a replay, before and after its last bad request."""

    last_bad: float
    flagged: int = 0
    refused: int = 0
    well: int = 0
    well_refused: int = 0
    seconds: float | None = None

    def note(self, course: Replay, row: Row) -> None:
        state = next(c for c in course.report().clients if c.client == row.client)
        if row.ts > self.last_bad:
            self.well += 1
            self.well_refused += state.refused - self.refused
            if state.flagged == self.flagged and self.seconds is None:
                self.seconds = row.ts - self.last_bad
        self.flagged, self.refused = state.flagged, state.refused


def _course(scene: Scene, client: str, kind: str) -> list[Row]:
    caller = Caller(scene, Random(f"{scene.begins}/{kind}"), client, "bad", "browser")
    rows = list(BEHAVIOURS[kind](caller, TURNS_BAD, TURNS_BAD + BAD_SECONDS))
    end = rows[-1].ts
    return rows + [row._replace(label="well") for row in _reading(caller, end, end + WELL_SECONDS)]


def _scraping(caller: Caller, start: float, end: float) -> Iterator[Row]:
    walk = Walk(caller.scene, caller.rng, "items")
    for ts in times_at(60, caller.rng, start, end):
        yield walk.take(caller, ts)


def _guessing(caller: Caller, start: float, end: float) -> Iterator[Row]:
    site = caller.scene.site(start)
    for ts in times_at(20, caller.rng, start, end):
        yield caller.ask(ts, site.login, status=site.denied)


def _scanning(caller: Caller, start: float, end: float) -> Iterator[Row]:
    for number, ts in enumerate(times_at(40, caller.rng, start, end)):
        yield caller.probe(ts, f"/old/{number}.bak")


def _reading(caller: Caller, start: float, end: float) -> Iterator[Row]:
    site = caller.scene.site(start)
    for ts in list(times_at(WELL_RATE, caller.rng, start, end, "exponential"))[1:]:
        page = caller.rng.choice(("home", "listing", "item"))
        yield caller.ask(ts, site.routes[page].pick(caller.rng))


BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "scraper, 60/min": _scraping,
    "passwords, 20/min": _guessing,
    "scan, 40/min": _scanning,
}
