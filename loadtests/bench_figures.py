"""From measurements to figures: the ratios that have bars, and others beside them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.bench_apps import OURS
from loadtests.bench_background import BUSY_SHARE, FlushCost, UnderTraining
from loadtests.bench_cases import (
    BARE,
    FLASK_LIMITER,
    IN_FLASK_EVALSHA,
    RAW_EVALSHA,
    REFUSED,
    THROTTLED,
    our_name,
    their_name,
)
from loadtests.bench_harness import Timing
from loadtests.bench_memory import RedisMemory, Worker
from loadtests.bench_rivals import FIXED, SLIDING
from loadtests.bench_server import Machine
from loadtests.bench_wider import Wider

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
        wider: What goes beyond one request after the other.
        machine: Where.
        settings: How much of everything.
        seconds: How long the run took.
    """

    timings: Sequence[Timing]
    training: UnderTraining
    flush: Mapping[str, FlushCost]
    redis: RedisMemory
    workers: Mapping[str, Worker]
    wider: Wider
    machine: Machine
    settings: Mapping[str, Any]
    seconds: float

    @property
    def busy(self) -> bool:
        """Whether other work on the machine took the cores, so that p99 tells of that instead."""
        return self.training.elsewhere > BUSY_SHARE

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
        pairs = self.training.ratios
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
            # By pair: what changes on the machine within a minute is the same for both of a pair.
            "p99_while_training": Figure(statistics.median(pairs), *quartiles(pairs)),
            "redis_bytes_per_client": _single(self.redis.bytes_per_client),
            "worker_extra_mib": _single(extra),
        }

    def details(self) -> dict[str, float]:
        """Figures without a bar, by name."""
        ours = self.added((OURS, "redis", our_name(1, True, True)))
        in_memory = self.added((OURS, "memory", our_name(1, True, True)))
        throttled = their_name(FIXED, True)
        bare = self.bare.medians
        busy, quiet, bare_p99 = self.training.p99
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
            "p99_bare_us": bare_p99,
            "core_taken_by_others": self.training.elsewhere,
            "training_seconds": self.training.seconds,
            "training_pairs": float(len(self.training.pairs)),
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


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Of the medians; the quartiles are those of the rounds' ratios."""
    value = statistics.median(ours) / _not_nothing(statistics.median(theirs))
    by_round = [own / _not_nothing(other) for own, other in zip(ours, theirs, strict=True)]
    return Figure(value, *quartiles(by_round))


def _not_nothing(spent: float) -> float:
    # A rival that seems to add nothing, in a very short run, must not end the report.
    return max(spent, 0.1)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and third quartile of at least one value."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def _single(value: float) -> Figure:
    return Figure(value, value, value)
