"""Hold the figures of a run to what is wanted of them, and say so in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from loadtests.bench.measure.training import BUSY_SHARE
from loadtests.bench.report.figures import Report


@dataclass(frozen=True)
class Target:
    """Hold the most that is wanted of a figure."""

    name: str
    text: str
    most: float
    unit: str = ""

    def show(self, value: float) -> str:
        """Write a value of the figure, with its unit."""
        digits = 0 if self.unit == " B" else 1 if self.unit else 2
        return f"{value:.{digits}f}{self.unit}"


TARGETS: Final = (
    Target(
        "redis_vs_flask_limiter",
        "time added on Redis (one limit, headers, model) / by Flask-Limiter's sliding window",
        0.30,
    ),
    Target("redis_vs_throttled", "the same / by throttled-py's fixed window, no headers", 0.80),
    Target(
        "redis_vs_noop_evalsha", "the same / a bare EVALSHA that does nothing, outside Flask", 2.5
    ),
    Target(
        "memory_vs_flask_limiter",
        "time added in memory (one limit, headers, model) / by Flask-Limiter's sliding window",
        0.40,
    ),
    Target("refusal_vs_bare_flask", "refusal of a client known to be over / bare Flask's 200", 1.0),
    Target("p99_while_training", "p99 while a model trains / p99 otherwise", 1.2),
    Target("redis_bytes_per_client", "memory of Redis per client", 400.0, " B"),
    Target("worker_extra_mib", "memory of a gunicorn worker beyond a bare one", 40.0, " MiB"),
)
VERDICTS: Final = ("ok", "over", "unsure", "not judged")


class Outcome(NamedTuple):
    """Hold a figure of a run against its target; ``verdict`` is one of :data:`VERDICTS`."""

    target: Target
    value: float
    low: float
    high: float
    verdict: str


def is_busy(report: Report) -> bool:
    """Tell whether other work took the cores, so that p99 tells of that instead."""
    return bool(report["details"]["core_taken_by_others"] > BUSY_SHARE)


def outcomes(report: Report) -> list[Outcome]:
    """Hold the figures of a run to their targets."""
    found = []
    for target in TARGETS:
        value = report["ratios"][target.name]
        verdict = "ok" if value <= target.most else "over"
        if not report["settings"].get("judged", True):
            verdict = "not judged"
        elif target.name == "p99_while_training" and is_busy(report):
            verdict = "unsure"
        low, high = report["quartiles"][target.name]
        found.append(Outcome(target, value, low, high, verdict))
    return found


def is_over(report: Report) -> bool:
    """Tell whether a figure is beyond the most that is wanted."""
    return any(one.verdict == "over" for one in outcomes(report))


def summary(report: Report) -> str:
    """Write the outcome of a run in a sentence or two."""
    found = outcomes(report)
    by = {verdict: [one for one in found if one.verdict == verdict] for verdict in VERDICTS}
    if by["not judged"]:
        return "This run is too short to be judged: the figures are rough."
    text = f"{len(by['ok'])} of {len(found)} figures are as wanted."
    for one in by["over"]:
        text += f" Over: {one.target.name} is {one.target.show(one.value)}, "
        text += f"wanted at most {one.target.most:g}{one.target.unit}."
    for one in by["unsure"]:
        text += f" Unsure: {one.target.name}, since other work kept the cores busy."
    return text
