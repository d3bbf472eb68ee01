"""Hold the figures of a soak to what is wanted."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from loadtests.soak.measure import drift
from loadtests.soak.traffic import NEWCOMER_SECONDS
from loadtests.targets import Outcome

WORKER_MIB: Final = 8.0
"""Growth of a worker from the first calm time to the last, in MiB of PSS."""
DRIFT_MIB: Final = 30.0
"""Rise of a worker in an hour, by the line through the later half of its samples of calm times,
when its caches are filled for the most part: 350 bytes for each request that it serves."""
LEAST_LIFE: Final = 600.0
"""Seconds that a worker must have lived for its line to say anything."""
HANDLES: Final = 4.0
THREADS: Final = 2.0
STORE_MIB: Final = 8.0
"""Growth of the store: it keeps some models more at the end than after the warm-up."""
KEYS: Final = 1.25
LEAST_CALM: Final = 30.0
"""Seconds in which chance brings about as many newcomers as are to be expected."""
LATENCY: Final = 1.5
"""Multiple of what a request took in the first third of the calm times, in the last third."""
LEAST_CALMS: Final = 6

Sample = Mapping[str, Any]


def judge(run: Mapping[str, Any]) -> list[Outcome]:
    """Judge a run."""
    calms, faults = run["calms"], run["faults"]
    lost = sum(
        many
        for fault in faults
        if not fault["loses"]
        for status, many in fault["statuses"].items()
        if status.startswith(("0", "5"))
    )
    wrong = sum(bool(calm["disagreements"]) for calm in calms)
    return [
        Outcome("wrong or missing answers in calm times", run["stray"], 0, digits=0),
        Outcome("errors and missing answers in faults, but of a killed worker", lost, 0, digits=0),
        Outcome("calm times whose counts differ, of site and clients", wrong, 0, digits=0),
        Outcome("log lines that nothing explains", len(run["unexpected"]), 0, digits=0),
        _growth(run, "memory of a worker", _worker("mib"), WORKER_MIB, " MiB", 1),
        _line(run),
        _growth(run, "open handles of a worker", _worker("handles"), HANDLES, "", 1),
        _growth(run, "threads of a worker", _worker("threads"), THREADS, "", 1),
        _growth(run, "memory of Redis", lambda x: x["store_mib"], STORE_MIB, " MiB", 1),
        _growth(run, "open handles of Redis", lambda x: x["store_handles"], HANDLES, "", 1),
        _keys(run),
        _latency(run),
    ]


def in_calm(run: Mapping[str, Any], moments: Sequence[Sample]) -> list[list[Sample]]:
    """Give what was measured in each calm time."""
    return [
        [moment for moment in moments if calm["start"] <= moment["at"] < calm["end"]]
        for calm in run["calms"]
    ]


def lines(run: Mapping[str, Any]) -> dict[int, tuple[float, float]]:
    """Give the seconds between each worker's samples of calm times, and its rise in an hour.

    That is by the later half of the samples.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    for sample in (sample for calm in in_calm(run, run["samples"]) for sample in calm):
        for worker in sample["workers"]:
            found.setdefault(worker["pid"], []).append((sample["at"], worker["mib"]))
    return {
        pid: (points[-1][0] - points[0][0], drift(*zip(*points[len(points) // 2 :], strict=True)))
        for pid, points in found.items()
    }


def _worker(name: str) -> Callable[[Sample], float]:
    def mean(sample: Sample) -> float:
        workers = sample["workers"]
        return statistics.fmean(worker[name] for worker in workers) if workers else math.nan

    return mean


def _ends(run: Mapping[str, Any], figure: Callable[[Sample], float]) -> tuple[float, float]:
    """Give the medians of a figure in the first calm time, and in the last."""
    calms = [[figure(sample) for sample in calm] for calm in in_calm(run, run["samples"])]
    known = [[x for x in calm if not math.isnan(x)] for calm in calms]
    medians = [statistics.median(calm) for calm in known if calm]
    return (medians[0], medians[-1]) if medians else (math.nan, math.nan)


def _growth(
    run: Mapping[str, Any],
    name: str,
    figure: Callable[[Sample], float],
    most: float,
    unit: str,
    digits: int,
) -> Outcome:
    first, last = _ends(run, figure)
    text = f"from {first:.{digits}f} to {last:.{digits}f}{unit}"
    return Outcome(f"growth: {name}", last - first, most, unit, digits, text=text)


def _line(run: Mapping[str, Any]) -> Outcome:
    lived = {pid: rise for pid, (life, rise) in lines(run).items() if life >= LEAST_LIFE}
    name, unit = "growth: a worker's line, in an hour", " MiB"
    if not lived:
        reason = f"no worker lived for {LEAST_LIFE / 60:g} minutes"
        return Outcome(name, 0.0, DRIFT_MIB, unit, 1, unjudged=reason)
    text = f"of {len(lived)} workers, the steepest"
    return Outcome(name, max(lived.values()), DRIFT_MIB, unit, 1, text=text)


def _keys(run: Mapping[str, Any]) -> Outcome:
    """Judge the keys by newcomers: each is forgotten after an hour at the least."""
    gains = [
        drift([sample["at"] for sample in known], [sample["keys"] for sample in known])
        for calm in in_calm(run, run["samples"])
        if len(known := [sample for sample in calm if not math.isnan(sample["keys"])]) > 1
    ]
    name = "keys gained in Redis for each newcomer"
    gained = statistics.median(gains) / 3600 * NEWCOMER_SECONDS
    if run["soak"]["calm"] < LEAST_CALM:
        return Outcome(name, gained, KEYS, unjudged=f"calm times of less than {LEAST_CALM:g} s")
    return Outcome(name, gained, KEYS)


def _latency(run: Mapping[str, Any]) -> Outcome:
    medians = [
        statistics.median(moment["p50"] for moment in calm)
        for calm in in_calm(run, run["latency"])
        if calm
    ]
    name = "time of a request in calm times, last third of first third"
    if len(medians) < LEAST_CALMS:
        reason = f"fewer than {LEAST_CALMS} calm times"
        return Outcome(name, 1.0, LATENCY, unjudged=reason)
    third = len(medians) // 3
    first, last = statistics.median(medians[:third]), statistics.median(medians[-third:])
    text = f"from {first:.1f} to {last:.1f} ms"
    return Outcome(name, last / first, LATENCY, text=text)
