"""Compute figures from measurements, and write them as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadtests.bench.cases.apps import OURS
from loadtests.bench.cases.catalogue import (
    BARE,
    OURS_FULL,
    RAW_EVALSHA,
    REFUSED,
    Key,
    their,
    throttled,
)
from loadtests.bench.measure import calls, cpu, growth, load, machine, training
from loadtests.bench.measure.turns import Timing

Report = Mapping[str, Any]
"""The figures of a run, as its JSON has them; the members are a contract."""


@dataclass(frozen=True)
class Figure:
    """Hold a figure with the quartiles of its sample (itself, if the sample is one value)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Results:
    """Hold the results of one run, the timing of the bare case first.

    ``redis`` is bytes per client, ``workers`` MiB by kind, ``starts`` the seconds until a worker's
    app is made, by system; ``seconds`` are those of the run.
    """

    timings: Sequence[Timing]
    training: training.UnderTraining
    redis: float
    workers: Mapping[str, float]
    http_client: str
    load: Sequence[load.UnderLoad]
    calls: Sequence[calls.Calls]
    starts: Mapping[str, float]
    grown: Sequence[growth.Grown]
    cpu: Sequence[cpu.TotalCpu]
    machine: machine.Machine
    settings: Mapping[str, Any]
    seconds: float

    @property
    def bare(self) -> Timing:
        """Give the timing that all others are compared with."""
        return self.of(BARE)

    def of(self, key: Key) -> Timing:
        """Give the timing of a case."""
        return next(timing for timing in self.timings if timing.case.key == key)

    def added(self, key: Key) -> list[float]:
        """Give the time that a case adds to a bare request, in µs, by round."""
        return self.of(key).added(self.bare)

    def ratios(self) -> dict[str, Figure]:
        """Give the figures that have targets, by name."""
        pairs = self.training.ratios
        extra = self.workers["flask_irl"] - self.workers["bare"]
        refusal = self.of((OURS, "redis", REFUSED)).medians
        return {
            "redis_vs_flask_limiter": self._versus("redis", their("redis")),
            "redis_vs_throttled": self._versus("redis", throttled("redis", headers=False)),
            "redis_vs_noop_evalsha": self._versus("redis", RAW_EVALSHA),
            "memory_vs_flask_limiter": self._versus("memory", their("memory")),
            "refusal_vs_bare_flask": _ratio(refusal, self.bare.medians),
            # By pair: changes of the machine within a minute are the same for both of a pair.
            "p99_while_training": Figure(statistics.median(pairs), *quartiles(pairs)),
            "redis_bytes_per_client": Figure(*[self.redis] * 3),
            "worker_extra_mib": Figure(*[extra] * 3),
        }

    def details(self) -> dict[str, float]:
        """Give the figures without a target, by name."""
        figures = {
            "core_taken_by_others": self.training.elsewhere,
            "training_seconds": self.training.seconds,
            "training_pairs": float(len(self.training.pairs)),
            "training_rows": float(self.training.rows),
        }
        return {name: round(value, 3) for name, value in figures.items()}

    def _versus(self, store: str, key: Key) -> Figure:
        return _ratio(self.added((OURS, store, OURS_FULL)), self.added(key))


def report_of(results: Results) -> Report:
    """Give the figures of a run."""
    ratios = results.ratios()
    return {
        "cases": [_case(timing, timing.added(results.bare)) for timing in results.timings],
        "ratios": {name: round(figure.value, 4) for name, figure in ratios.items()},
        "quartiles": {
            name: [round(figure.low, 4), round(figure.high, 4)] for name, figure in ratios.items()
        },
        "details": results.details(),
        "load": {"client": results.http_client, "systems": [asdict(one) for one in results.load]},
        "redis_calls": [asdict(one) for one in results.calls],
        "start_seconds": results.starts,
        "growth": [asdict(one) for one in results.grown],
        "cpu_us_per_request": [asdict(one) for one in results.cpu],
        "machine": asdict(results.machine),
        "settings": {**results.settings, "seconds": round(results.seconds, 1)},
    }


def added(report: Report) -> dict[Key, float]:
    """Give the time that each case adds to a request, in µs."""
    return {(one["system"], one["store"], one["case"]): one["added_us"] for one in report["cases"]}


def _case(timing: Timing, added: Sequence[float]) -> dict[str, Any]:
    return {
        "system": timing.case.system,
        "store": timing.case.store,
        "case": timing.case.name,
        "p50_us": round(timing.p50, 2),
        "added_us": round(statistics.median(added), 2),
        "added_us_quartiles": [round(value, 2) for value in quartiles(added)],
        "mean_us": round(timing.mean, 2),
        "p99_us": round(timing.p99, 2),
    }


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Give the first and third quartile of at least one value."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Divide the medians; the quartiles are those of the rounds' ratios."""
    value = statistics.median(ours) / _not_nothing(statistics.median(theirs))
    by_round = [own / _not_nothing(other) for own, other in zip(ours, theirs, strict=True)]
    return Figure(value, *quartiles(by_round))


def _not_nothing(time: float) -> float:
    # A rival that seems to add nothing, in a very short run, must not end the report.
    return max(time, 0.1)
