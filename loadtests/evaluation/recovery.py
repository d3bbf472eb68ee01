"""Measure the time until a flagged client that behaves again has its full limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from heapq import merge
from random import Random
from typing import Any, Final

from flask_irl.replay.runner import Replay
from loadtests.evaluation.job import replaying
from loadtests.simulator.attackers import Walk, constant, jittered
from loadtests.simulator.scenarios import EPOCH, generate, make_scene
from loadtests.simulator.scene import HOUR, Caller, Row, Scene

HOURS: Final = 4.5
TURNS_BAD: Final = 3.0 * HOUR
BAD_SECONDS: Final = 300.0
WELL_SECONDS: Final = HOUR
WELL_RATE: Final = 3.0
"""Requests a minute of a person who reads the answers."""

Behaviour = Callable[[Caller, float, float], Iterator[Row]]


@dataclass(frozen=True)
class Recovery:
    """Describe the course of one client.

    Attributes:
        kind: Attack of its first five minutes.
        seconds: From its last bad request to its first at the full limit; None if there was none.
        refused: Number of its good requests that were refused.
        well: Number of its good requests.
    """

    kind: str
    seed: int
    flagged: bool
    seconds: float | None
    refused: int
    well: int


def recoveries(seed: int, which: str, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Replay a clean log in which three clients behave badly for five minutes, then well."""
    scene = make_scene("clean", seed, HOURS, which)
    start = EPOCH + scene.begins * HOUR
    courses = {f"198.51.100.{i}": kind for i, kind in enumerate(BEHAVIOURS, 1)}
    injected = [
        [row._replace(ts=start + row.ts) for row in _course(scene, client, kind)]
        for client, kind in courses.items()
    ]
    watch = {client: _Watch() for client in courses}
    last_bad = {
        client: max(row.ts for row in rows if row.label == "bad")
        for client, rows in zip(courses, injected, strict=True)
    }
    with replaying(config) as course:
        for row in merge(generate("clean", seed, HOURS, which), *injected):
            course.one(row)
            if row.client in watch:
                watch[row.client].note(course, row, last_bad[row.client])
    return [asdict(watch[client].result(kind, seed)) for client, kind in courses.items()]


class _Watch:
    """Follow one client through a replay."""

    def __init__(self) -> None:
        self._flagged = self._refused = self._well_refused = self._well = 0
        self._seconds: float | None = None

    def note(self, course: Replay, row: Row, last_bad: float) -> None:
        state = next(c for c in course.report().clients if c.client == row.client)
        full = state.flagged == self._flagged
        if row.ts > last_bad:
            self._well += 1
            self._well_refused += state.refused - self._refused
            if full and self._seconds is None:
                self._seconds = row.ts - last_bad
        self._flagged, self._refused = state.flagged, state.refused

    def result(self, kind: str, seed: int) -> Recovery:
        flagged = self._flagged > 0
        seconds = self._seconds if flagged else None
        return Recovery(kind, seed, flagged, seconds, self._well_refused, self._well)


def _course(scene: Scene, client: str, kind: str) -> list[Row]:
    caller = Caller(scene, Random(f"{scene.begins}/{kind}"), client, "bad", "browser")
    rows = list(BEHAVIOURS[kind](caller, TURNS_BAD, TURNS_BAD + BAD_SECONDS))
    end = rows[-1].ts
    return rows + [row._replace(label="well") for row in _reading(caller, end, end + WELL_SECONDS)]


def _scraping(caller: Caller, start: float, end: float) -> Iterator[Row]:
    walk = Walk(caller.scene, caller.rng, "items")
    for ts in constant(caller.rng, 60, start, end):
        yield walk.take(caller, ts)


def _guessing(caller: Caller, start: float, end: float) -> Iterator[Row]:
    site = caller.scene.site(start)
    for ts in constant(caller.rng, 20, start, end):
        yield caller.ask(ts, site.login, status=site.denied)


def _scanning(caller: Caller, start: float, end: float) -> Iterator[Row]:
    for number, ts in enumerate(constant(caller.rng, 40, start, end)):
        yield caller.probe(ts, f"/old/{number}.bak")


def _reading(caller: Caller, start: float, end: float) -> Iterator[Row]:
    site = caller.scene.site(start)
    for ts in list(jittered(caller.rng, WELL_RATE, start, end, "exponential", 1.0))[1:]:
        page = caller.rng.choice(("home", "listing", "item"))
        yield caller.ask(ts, site.routes[page].pick(caller.rng))


BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "scraper, 60/min": _scraping,
    "passwords, 20/min": _guessing,
    "scan, 40/min": _scanning,
}
