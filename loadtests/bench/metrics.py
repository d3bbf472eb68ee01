"""Time a request with and without metrics: ``python -m loadtests.bench.metrics``.

The small app is under flask_irl on the embedded store, without metrics, with the limiter's own, and
with prometheus-flask-exporter's beside them; each as in one process, where counters are in memory,
and as in several, where they are in files.
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
from loadtests.bench.cases import PATH, PLENTY
from loadtests.bench.cases.apps import OURS, silence
from loadtests.bench.cases.catalogue import Case
from loadtests.bench.cases.subject import BenchError, Subject, WsgiSubject
from loadtests.bench.measure.turns import Timing, take_turns
from loadtests.tables import Table, make_console

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

Metrics = Literal["no metrics", "the limiter's", "with the exporter's"]
"""Metrics of an app."""


def watched_app(metrics: Metrics) -> Flask:
    """Make the small app under a limiter that refuses no request.

    In this process prometheus_client must not have been imported for another mode than the
    environment's: it looks but once.
    """
    app = Flask("bench")
    options: dict[str, Any] = {"storage_uri": "memory://", "base_limit": PLENTY, "train": False}
    if metrics != "no metrics":
        from prometheus_client import CollectorRegistry

        from demo_app.monitoring import add_metrics
        from flask_irl.telemetry.prometheus import PrometheusListener

        registry = CollectorRegistry()
        if metrics == "with the exporter's":
            add_metrics(app, registry)
        options["listener"] = PrometheusListener(registry)
    for logger in (OURS, "apscheduler"):
        silence(logger)
    IntelligentLimiter(app, **options)
    app.add_url_rule(PATH, "data", lambda: "ok")
    return app


def subject(metrics: Metrics, folder: str | None) -> Subject:
    """Make the app, in multiprocess mode if there is a folder; in a process of its own."""
    if "prometheus_client" in sys.modules:
        raise BenchError("prometheus_client has been imported already")
    if folder is None:
        os.environ.pop(FOLDER, None)
    else:
        os.environ[FOLDER] = folder
    app = watched_app(metrics)
    if metrics != "no metrics":
        from prometheus_client import values

        if (folder is not None) != (values.ValueClass is not values.MutexValue):
            raise BenchError("the metrics are not kept where they should be")
    return WsgiSubject(app, clients=100)


def cases(folder: str) -> list[Case]:
    """List all cases, the one without metrics first."""
    bare: Metrics = "no metrics"
    kinds: tuple[Metrics, Metrics] = ("the limiter's", "with the exporter's")
    return [
        Case(OURS, "", bare, partial(subject, bare, None), bare=True),
        *(
            Case(OURS, processes, kind, partial(subject, kind, path))
            for processes, path in (("one process", None), ("several processes", folder))
            for kind in kinds
        ),
    ]


def table(timings: Sequence[Timing]) -> Table:
    """Make the table of a request's time, and of the time that metrics add to it."""
    bare = next(timing for timing in timings if timing.case.bare)
    rows = []
    for timing in timings:
        added = "" if timing is bare else f"{statistics.median(timing.added(bare)):.1f}"
        rows.append((timing.case.name, timing.case.store, f"{timing.p50:.1f}", added))
    return Table(("metrics", "kept for", "µs a request", "added"), rows, left=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time all cases in turn, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench.metrics",
        description="Time a request with and without metrics.",
    )
    add = parser.add_argument
    add("--generations", type=int, default=3, help="fresh starts of all cases (%(default)s)")
    add("--rounds", type=int, default=20, help="rounds after each start (%(default)s)")
    add("--calls", type=int, default=500, help="calls of each case in a round (%(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="irl-bench-") as folder:
        timings = take_turns(cases(folder), **vars(options))
    make_console().print(table(timings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
