"""Test the benchmark of metrics: it measures and reports; its figures are not tested."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import prometheus_client  # noqa: F401
import pytest

from loadtests.bench.cases.catalogue import Case
from loadtests.bench.cases.subject import BenchError
from loadtests.bench.measure.turns import Timing
from loadtests.bench.metrics import cases, subject, table
from loadtests.tables import as_text

ROOT = Path(__file__).parents[2]


def test_the_table_tells_what_is_added_to_a_request_without_metrics() -> None:
    build = partial(subject, "no metrics", None)
    bare = Timing(Case("flask_irl", "", "no metrics", build, bare=True), [[50.0], [60.0], [70.0]])
    other = Timing(
        Case("flask_irl", "one process", "the limiter's", build), [[52.0], [64.0], [71.0]]
    )
    lines = as_text(table([bare, other])).splitlines()[2:]
    assert lines[0].split() == ["no", "metrics", "60.0"]
    assert lines[1].split() == ["the", "limiter's", "one", "process", "64.0", "2.0"]


def test_metrics_of_another_mode_are_not_taken_for_those_that_are_meant(tmp_path: Path) -> None:
    before = dict(os.environ)
    for case in cases(str(tmp_path)):
        with pytest.raises(BenchError, match="imported already"):
            case.build()
    # Other tests' metrics would go into the folder.
    assert dict(os.environ) == before


@pytest.mark.integration
def test_a_tiny_run_tells_of_every_case() -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "loadtests.bench.metrics"),
            *("--generations", "1", "--rounds", "1", "--calls", "3"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    heading, _, *lines = run.stdout.splitlines()
    assert heading.split()[0] == "metrics"
    names = [" ".join(line.split()[:-2]) for line in lines[1:] if line.strip()]
    assert names == [
        "the limiter's one process",
        "with the exporter's one process",
        "the limiter's several processes",
        "with the exporter's several processes",
    ]
