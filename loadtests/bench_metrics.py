"""What metrics cost a request: ``python -m loadtests.bench_metrics``.

A small app under flask_irl on the embedded store, without metrics, with the limiter's own, and with
prometheus-flask-exporter's beside them; each as in one process, where counters are in memory, and
as in several, where they are in files.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal

from flask import Flask

from flask_irl import IntelligentLimiter
from loadtests.bench_apps import OURS, PLENTY, silence
from loadtests.bench_harness import Case, Timing, take_turns
from loadtests.bench_subject import PATH, BenchError, Subject, WsgiSubject
from loadtests.bench_table import aligned

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
CLIENTS: Final = 100
ONE: Final = "one process"
SEVERAL: Final = "several processes"

Kept = Literal["no metrics", "the limiter's", "with the exporter's"]
"""Which metrics an app keeps."""


def watched_app(kept: Kept) -> Flask:
    """The small app under a limiter that refuses nobody.

    Args:
        kept: Its metrics. In this process prometheus_client must not have been imported for
            another mode than the environment's: it looks but once.
    """
    app = Flask("bench")
    options: dict[str, Any] = {"storage_uri": "memory://", "base_limit": PLENTY, "train": False}
    if kept != "no metrics":
        from prometheus_client import CollectorRegistry

        from demo_app.monitoring import add_metrics
        from flask_irl.telemetry.prometheus import PrometheusListener

        registry = CollectorRegistry()
        if kept == "with the exporter's":
            add_metrics(app, registry)
        options["listener"] = PrometheusListener(registry)
    for logger in (OURS, "apscheduler"):
        silence(logger)
    IntelligentLimiter(app, **options)
    app.add_url_rule(PATH, "data", lambda: "ok")
    return app


def subject(kept: Kept, folder: str | None) -> Subject:
    """The app, in multiprocess mode if there is a folder; to be made in a process of its own."""
    if "prometheus_client" in sys.modules:
        raise BenchError("prometheus_client has been imported already")
    if folder is None:
        os.environ.pop(FOLDER, None)
    else:
        os.environ[FOLDER] = folder
    app = watched_app(kept)
    if kept != "no metrics":
        _check(folder is not None)
    return WsgiSubject(app, CLIENTS)


def _check(shared: bool) -> None:
    from prometheus_client import values

    if shared != (values.ValueClass is not values.MutexValue):
        raise BenchError("the metrics are not kept where they should be")


def cases(folder: str) -> list[Case]:
    """All that is compared, that without metrics first."""
    bare: Kept = "no metrics"
    found = [Case(OURS, "", bare, partial(subject, bare, None), bare=True)]
    kept: tuple[Kept, Kept] = ("the limiter's", "with the exporter's")
    for where, path in ((ONE, None), (SEVERAL, folder)):
        found += [Case(OURS, where, each, partial(subject, each, path)) for each in kept]
    return found


def table(timings: Sequence[Timing]) -> list[str]:
    """Lines that tell what a request takes, and what metrics add to it."""
    bare = next(timing for timing in timings if timing.case.bare)
    rows = [["metrics", "kept for", "µs a request", "added"]]
    for timing in timings:
        added = "" if timing is bare else f"{statistics.median(timing.added(bare)):.1f}"
        rows.append([timing.case.name, timing.case.store, f"{timing.p50:.1f}", added])
    return aligned(rows, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all cases in turn, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench_metrics", description=__doc__)
    parser.add_argument("--generations", type=int, default=3, help="how often all begin anew")
    parser.add_argument("--rounds", type=int, default=20, help="in each generation")
    parser.add_argument("--calls", type=int, default=500, help="in each turn of a round")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as folder:
        timings = take_turns(
            cases(folder),
            generations=options.generations,
            rounds=options.rounds,
            calls=options.calls,
        )
    print(*table(timings), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
