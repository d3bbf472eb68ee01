"""Hold the figures of a run to what is wanted of them."""

from __future__ import annotations

from typing import Final

from loadtests.bench.measure.training import BUSY_SHARE
from loadtests.bench.report.figures import Report
from loadtests.targets import Outcome

TARGETS: Final = (
    (
        "redis_vs_flask_limiter",
        "time added on Redis (one limit, headers, model) / by Flask-Limiter's sliding window",
        0.30,
    ),
    ("redis_vs_throttled", "the same / by throttled-py's fixed window, no headers", 0.80),
    ("redis_vs_noop_evalsha", "the same / a bare EVALSHA that does nothing, outside Flask", 2.5),
    (
        "memory_vs_flask_limiter",
        "time added in memory (one limit, headers, model) / by Flask-Limiter's sliding window",
        0.40,
    ),
    ("refusal_vs_bare_flask", "refusal of a client known to be over / bare Flask's 200", 1.0),
    ("p99_while_training", "p99 while a model trains / p99 otherwise", 1.2),
    ("redis_bytes_per_client", "memory of Redis per client", 400.0),
    ("worker_extra_mib", "memory of a gunicorn worker beyond a bare one", 40.0),
)
"""Names of figures, what they are, and the most that is wanted."""
UNITS: Final = {"redis_bytes_per_client": (" B", 0), "worker_extra_mib": (" MiB", 1)}
"""Units and digits of the figures that are no ratios."""


def outcomes(report: Report) -> list[Outcome]:
    """Hold the figures of a run to their targets."""
    short = "" if report["settings"].get("judged", True) else "a run this short is rough"
    # Then p99 tells of other processes, not of the training.
    busy = report["details"]["core_taken_by_others"] > BUSY_SHARE
    return [
        Outcome(
            name,
            report["ratios"][name],
            most,
            *UNITS.get(name, ("", 2)),
            text=text,
            unjudged=short or "other work kept the cores busy" * (busy and name.startswith("p99")),
            quartiles=report["quartiles"][name],
        )
        for name, text, most in TARGETS
    ]
