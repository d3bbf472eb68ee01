"""Compute figures from measurements, and write them as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtests.bench.cases.apps import OURS
from loadtests.bench.cases.catalogue import (
    BARE,
    COMPAT,
    NATIVE,
    OURS_FULL,
    RAW_EVALSHA,
    REFUSED,
    Key,
    their,
    throttled,
)
from loadtests.bench.measure import calls, cpu, flushes, growth, load, machine, throughput, training
from loadtests.bench.measure.turns import Timing
from loadtests.bench.report.samples import Figure, figure_of, quartiles
from loadtests.bench.report.served import rows_of, served_figures

Report = Mapping[str, Any]
"""The figures of a run, as its JSON has them; the members are a contract."""


@dataclass(frozen=True)
class Results:
    """Hold the results of one run, by group; a group that wasn't measured is empty.

    ``gunicorn`` holds systems under gunicorn, ``timings`` those of single requests, the bare case
    first. ``redis`` is bytes per client, ``workers`` MiB by kind, ``starts`` the seconds until a
    worker's first answer, by system, ``replays`` requests per second, by build. ``before`` names
    the earlier build; ``seconds`` are those of the run.
    """

    machine: machine.Machine
    settings: Mapping[str, Any]
    seconds: float
    http_client: str
    before: str = ""
    gunicorn: Sequence[throughput.Served] = ()
    timings: Sequence[Timing] = ()
    training: training.UnderTraining | None = None
    redis: float | None = None
    workers: Mapping[str, float] = field(default_factory=dict)
    load: Sequence[load.UnderLoad] = ()
    calls: Sequence[calls.Calls] = ()
    starts: Mapping[str, float] = field(default_factory=dict)
    grown: Sequence[growth.Grown] = ()
    cpu: Sequence[cpu.TotalCpu] = ()
    flushes: Sequence[flushes.FlushCost] = ()
    replays: Mapping[str, Sequence[float]] = field(default_factory=dict)

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
        """Give the figures that have targets, by name, of the groups that were measured."""
        found = served_figures(self.gunicorn, self.before)
        if self.timings:
            refusal = self.of((OURS, "redis", REFUSED)).medians
            found |= {
                "redis_vs_flask_limiter": self._versus("redis", their("redis")),
                "redis_vs_throttled": self._versus("redis", throttled("redis", headers=False)),
                "redis_vs_noop_evalsha": self._versus("redis", RAW_EVALSHA),
                "memory_vs_flask_limiter": self._versus("memory", their("memory")),
                "refusal_vs_bare_flask": _ratio(refusal, self.bare.medians),
                # By round, since the two differ by less than the machine from round to round.
                "compat_vs_native": figure_of(
                    [
                        compat / _not_nothing(native)
                        for compat, native in zip(
                            self.of((OURS, "redis", COMPAT)).medians,
                            self.of((OURS, "redis", NATIVE)).medians,
                            strict=True,
                        )
                    ]
                ),
            }
        if self.training is not None:
            pairs = self.training.ratios
            # By pair: changes of the machine within a minute are the same for both of a pair.
            found["p99_while_training"] = figure_of(pairs)
        if self.redis is not None:
            found["redis_bytes_per_client"] = figure_of([self.redis])
        if self.workers:
            extra = self.workers["flask_irl"] - self.workers["bare"]
            found["worker_extra_mib"] = figure_of([extra])
        if self.starts:
            found["start_seconds"] = figure_of([self.starts[OURS]])
        if self.before and self.replays:
            found["replay_vs_before"] = _ratio(self.replays[OURS], self.replays[self.before])
        return found

    def details(self) -> dict[str, float]:
        """Give the figures without a target, by name."""
        if self.training is None:
            return {}
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
        "gunicorn": rows_of(results.gunicorn),
        "cases": [_case(timing, timing.added(results.bare)) for timing in results.timings],
        "ratios": {name: round(figure.value, 4) for name, figure in ratios.items()},
        "quartiles": {
            name: [round(figure.low, 4), round(figure.high, 4)] for name, figure in ratios.items()
        },
        "details": results.details(),
        "load": {"client": results.http_client, "systems": [asdict(one) for one in results.load]},
        "redis_calls": [asdict(one) for one in results.calls],
        "start_seconds": dict(results.starts),
        "replay_per_second": {name: list(rates) for name, rates in results.replays.items()},
        "growth": [asdict(one) for one in results.grown],
        "cpu_us_per_request": [asdict(one) for one in results.cpu],
        "flush_us_per_observation": [asdict(one) for one in results.flushes],
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


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Divide the medians; the quartiles are those of the rounds' ratios."""
    value = statistics.median(ours) / _not_nothing(statistics.median(theirs))
    by_round = [own / _not_nothing(other) for own, other in zip(ours, theirs, strict=True)]
    return Figure(value, *quartiles(by_round))


def _not_nothing(time: float) -> float:
    # A rival that seems to add nothing, in a very short run, must not end the report.
    return max(time, 0.1)
