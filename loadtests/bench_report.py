"""From measurements to figures: ratios against their bars, a table for people, JSON."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.bench_background import FlushCost, UnderTraining
from loadtests.bench_cases import (
    BARE,
    FIXED,
    FLASK_LIMITER,
    IN_FLASK_EVALSHA,
    OURS,
    RAW_EVALSHA,
    REFUSED,
    SLIDING,
    THROTTLED,
    our_name,
    their_name,
)
from loadtests.bench_harness import Timing
from loadtests.bench_memory import RedisMemory, Worker
from loadtests.bench_server import Machine

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Bar:
    """What a figure must not exceed.

    Attributes:
        name: In the JSON.
        text: For people.
        bar: The most that is allowed.
        floor: What is aimed at.
        unit: Of all three.
    """

    name: str
    text: str
    bar: float
    floor: float
    unit: str = ""


BARS = (
    Bar(
        "redis_vs_flask_limiter",
        "added on Redis (1 limit, headers, model) / Flask-Limiter sliding, headers",
        0.30,
        0.12,
    ),
    Bar("redis_vs_throttled", "the same / throttled-py fixed window, no headers", 0.80, 0.5),
    Bar("redis_vs_noop_evalsha", "the same / one no-op EVALSHA through redis-py", 2.5, 1.3),
    Bar(
        "memory_vs_flask_limiter",
        "added in memory (1 limit, headers, model) / Flask-Limiter sliding, headers",
        0.40,
        0.10,
    ),
    Bar("refusal_vs_bare_flask", "a known client's refusal, Redis / a bare Flask 200", 1.0, 0.05),
    Bar("p99_while_training", "p99 while a model trains / p99 otherwise", 1.2, 1.05),
    Bar("redis_bytes_per_client", "Redis memory per client", 400.0, 250.0, " B"),
    Bar("worker_extra_mib", "memory of a gunicorn worker over a bare one", 40.0, 25.0, " MiB"),
)


@dataclass(frozen=True)
class Figure:
    """A measured figure with the quartiles of what it comes from (itself, if it is one value)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Results:
    """All that one run measured.

    Attributes:
        timings: Of every case, the bare one first.
        training: Requests while a model trains.
        flush: Background work, by store.
        redis: Memory in Redis.
        workers: By kind, ``bare`` and ``flask_irl``.
        machine: Where.
        settings: How much of everything.
        seconds: How long the run took.
    """

    timings: Sequence[Timing]
    training: UnderTraining
    flush: Mapping[str, FlushCost]
    redis: RedisMemory
    workers: Mapping[str, Worker]
    machine: Machine
    settings: Mapping[str, Any]
    seconds: float

    @property
    def bare(self) -> Timing:
        """What all others are compared with."""
        return self.of(BARE)

    def of(self, key: Key) -> Timing:
        """The timing of a case."""
        return next(timing for timing in self.timings if timing.case.key == key)

    def added(self, key: Key) -> list[float]:
        """By round, what a case adds to a bare request, in µs."""
        return self.of(key).added(self.bare)

    def ratios(self) -> dict[str, Figure]:
        """The figures that have bars, by name."""
        ours = self.added((OURS, "redis", our_name(1, True, True)))
        in_memory = self.added((OURS, "memory", our_name(1, True, True)))
        theirs = their_name(SLIDING, True)
        throttled = (THROTTLED, "redis", their_name(FIXED, False))
        extra = self.workers["flask_irl"].rss_mib - self.workers["bare"].rss_mib
        busy, quiet = self.training.p99
        return {
            "redis_vs_flask_limiter": _ratio(ours, self.added((FLASK_LIMITER, "redis", theirs))),
            "redis_vs_throttled": _ratio(ours, self.added(throttled)),
            "redis_vs_noop_evalsha": _ratio(ours, self.added(RAW_EVALSHA)),
            "memory_vs_flask_limiter": _ratio(
                in_memory, self.added((FLASK_LIMITER, "memory", theirs))
            ),
            "refusal_vs_bare_flask": _ratio(
                self.of((OURS, "redis", REFUSED)).medians, self.bare.medians
            ),
            "p99_while_training": Figure(busy / quiet, *_quartiles(self.training.ratios)),
            "redis_bytes_per_client": _single(self.redis.bytes_per_client),
            "worker_extra_mib": _single(extra),
        }

    def details(self) -> dict[str, float]:
        """Figures without a bar, by name."""
        ours = self.added((OURS, "redis", our_name(1, True, True)))
        in_memory = self.added((OURS, "memory", our_name(1, True, True)))
        throttled = their_name(FIXED, True)
        bare = self.bare.medians
        busy, quiet = self.training.p99
        figures = {
            "redis_vs_noop_evalsha_in_flask": _ratio(ours, self.added(IN_FLASK_EVALSHA)).value,
            "redis_vs_throttled_with_headers": _ratio(
                ours, self.added((THROTTLED, "redis", throttled))
            ).value,
            "memory_vs_throttled_with_headers": _ratio(
                in_memory, self.added((THROTTLED, "memory", throttled))
            ).value,
            "redis_three_limits_vs_one": _ratio(
                self.added((OURS, "redis", our_name(3, True, True))), ours
            ).value,
            "memory_refusal_vs_bare_flask": _ratio(
                self.of((OURS, "memory", REFUSED)).medians, bare
            ).value,
            "p99_otherwise_us": quiet,
            "p99_while_training_us": busy,
            "p99_bare_us": self.training.bare.p99,
            "training_seconds": self.training.seconds,
            "training_rows": float(self.training.rows),
            "redis_clients": float(self.redis.clients),
            "redis_key_bytes": self.redis.key_bytes,
            "worker_mib": self.workers["flask_irl"].rss_mib,
            "worker_start_extra_seconds": self.workers["flask_irl"].start_seconds
            - self.workers["bare"].start_seconds,
        }
        for store, cost in self.flush.items():
            figures[f"background_cpu_us_per_request_{store}"] = cost.worker
        figures["background_cpu_us_per_request_redis_server"] = self.flush["redis"].server
        return {name: round(value, 3) for name, value in figures.items()}


def to_json(results: Results) -> str:
    """The figures for programs."""
    bare = results.bare
    cases = []
    for timing in results.timings:
        added = timing.added(bare)
        low, high = _quartiles(added)
        cases.append(
            {
                "system": timing.case.system,
                "store": timing.case.store,
                "case": timing.case.name,
                "p50_us": round(timing.p50, 2),
                "added_us": round(statistics.median(added), 2),
                "added_us_quartiles": [round(low, 2), round(high, 2)],
                "mean_us": round(timing.mean, 2),
                "p99_us": round(timing.p99, 2),
            }
        )
    ratios = results.ratios()
    report = {
        "cases": cases,
        "ratios": {name: round(figure.value, 4) for name, figure in ratios.items()},
        "quartiles": {
            name: [round(figure.low, 4), round(figure.high, 4)] for name, figure in ratios.items()
        },
        "bars": {bar.name: bar.bar for bar in BARS},
        "details": results.details(),
        "machine": dataclasses.asdict(results.machine),
        "settings": {**results.settings, "seconds": round(results.seconds, 1)},
    }
    return json.dumps(report, indent=1) + "\n"


def to_text(results: Results) -> str:
    """The figures for people."""
    machine = results.machine
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    heading = [
        f"{machine.cpu}, {machine.cores} cores, {machine.system}, load {machine.load} at the start",
        f"{machine.python}, {machine.redis}",
        libraries,
        ", ".join(f"{name} {value}" for name, value in results.settings.items())
        + f"; took {results.seconds:.0f} s",
    ]
    return "\n".join(
        [*heading, "", *_cases(results), "", *_bars(results.ratios()), "", *_details(results)]
    )


def _cases(results: Results) -> list[str]:
    rows: list[Sequence[str]] = [
        ("", "", "µs per request, medians of rounds", "p50", "added", "quartiles", "mean", "p99")
    ]
    bare = results.bare
    for timing in results.timings:
        added = timing.added(bare)
        low, high = _quartiles(added)
        is_bare = timing is bare
        rows.append(
            (
                timing.case.system,
                timing.case.store,
                timing.case.name,
                f"{timing.p50:.1f}",
                "" if is_bare else f"{statistics.median(added):.1f}",
                "" if is_bare else f"{low:.1f} to {high:.1f}",
                f"{timing.mean:.1f}",
                f"{timing.p99:.0f}",
            )
        )
    return _aligned(rows, left=3)


def _bars(ratios: Mapping[str, Figure]) -> list[str]:
    rows: list[Sequence[str]] = [
        ("", "against the bars of the design", "measured", "quartiles", "bar", "aim", "")
    ]
    for bar in BARS:
        figure = ratios[bar.name]
        digits = 0 if bar.unit == " B" else 1 if bar.unit else 2
        one = figure.low == figure.high
        rows.append(
            (
                bar.name,
                bar.text,
                f"{figure.value:.{digits}f}{bar.unit}",
                "" if one else f"{figure.low:.{digits}f} to {figure.high:.{digits}f}",
                f"<= {bar.bar:g}{bar.unit}",
                f"{bar.floor:g}{bar.unit}",
                "met" if figure.value <= bar.bar else "MISSED",
            )
        )
    return _aligned(rows, left=2)


def _details(results: Results) -> list[str]:
    rows = [(name, f"{value:g}") for name, value in results.details().items()]
    return ["beside the bars", *_aligned(rows, left=1)]


def _aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Of the medians; the quartiles are those of the rounds' ratios."""
    value = statistics.median(ours) / _not_nothing(statistics.median(theirs))
    by_round = [own / _not_nothing(other) for own, other in zip(ours, theirs, strict=True)]
    return Figure(value, *_quartiles(by_round))


def _not_nothing(spent: float) -> float:
    # A rival that seems to add nothing, in a very short run, must not end the report.
    return max(spent, 0.1)


def _quartiles(values: Iterable[float]) -> tuple[float, float]:
    ordered = list(values)
    if len(ordered) < 2:
        return ordered[0], ordered[0]
    low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return low, high


def _single(value: float) -> Figure:
    return Figure(value, value, value)
