"""Hold the figures of a run to what is wanted of them."""

from __future__ import annotations

from typing import Final

from loadtests.bench.measure.training import BUSY_SHARE
from loadtests.bench.report.figures import Report
from loadtests.bench.report.served import bottleneck
from loadtests.targets import Outcome

AT_LEAST: Final = {
    "gunicorn_rps_vs_bare_dense": (
        "gunicorn, 2 workers of 4 threads, 200 clients: requests/s / bare Flask's",
        0.87,
    ),
    "gunicorn_rps_vs_bare_sparse": ("the same with 10,000 clients", 0.78),
    "replay_vs_before": ("requests/s of irl replay / the build's before", 2.0),
}
"""Figures that are to be high, by name: what they are, and the least that is wanted."""
TARGETS: Final = (
    ("gunicorn_p99_vs_bare", "gunicorn, 200 clients: p99 / bare Flask's", 1.25),
    ("cpu_vs_before", "CPU added to bare Flask's there / by the build before", 0.5),
    ("start_seconds", "import to first answer of a worker", 0.30),
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
    ("compat_vs_native", "an app by Flask-Limiter's names / the same by our own, Redis", 1.05),
    ("p99_while_training", "p99 while a model trains / p99 otherwise", 1.2),
    ("redis_bytes_per_client", "memory of Redis per client", 300.0),
    ("worker_extra_mib", "memory of a gunicorn worker beyond a bare one", 40.0),
)
"""Names of figures, what they are, and the most that is wanted."""
LEAST_CORES: Final = 4
"""Cores for two workers, Redis and the load generator."""
UNITS: Final = {
    "redis_bytes_per_client": (" B", 0),
    "worker_extra_mib": (" MiB", 1),
    "start_seconds": (" s", 2),
}
"""Units and digits of the figures that are no ratios."""


def outcomes(report: Report) -> list[Outcome]:
    """Hold the figures of a run to their targets."""
    short = "" if report["settings"].get("judged", True) else "a run this short is rough"
    # Then p99 tells of other processes, not of the training.
    busy = report["details"].get("core_taken_by_others", 0.0) > BUSY_SHARE
    slow = bottleneck(report.get("gunicorn", ()))
    crowded = report["machine"]["cores"] < LEAST_CORES
    found = []
    least = [(name, text, target) for name, (text, target) in AT_LEAST.items()]
    for name, text, target in (*least, *TARGETS):
        # Another run may have measured fewer groups, or none against an earlier build.
        if name not in report["ratios"]:
            continue
        unjudged = short
        if name == "p99_while_training" and busy:
            unjudged = unjudged or "other work kept the cores busy"
        if name.startswith("gunicorn"):
            unjudged = unjudged or slow or "the machine has too few cores" * crowded
        found.append(
            Outcome(
                name,
                report["ratios"][name],
                target,
                *UNITS.get(name, ("", 2)),
                least=name in AT_LEAST,
                text=text,
                unjudged=unjudged,
                quartiles=report["quartiles"][name],
            )
        )
    return found
