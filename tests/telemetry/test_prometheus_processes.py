"""Test the Prometheus metrics of several processes, apps and threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]

WORKER = """
import sys
from prometheus_client import CollectorRegistry
from flask_irl.telemetry.prometheus import PrometheusListener
from flask_irl.telemetry.events import *
from flask_irl.limits.decision import Decision
number = int(sys.argv[1])
listener = PrometheusListener(CollectorRegistry())
decision = Decision("allowed", "k", 1, 1, 1.0, 0.0, True, 1, 0.0, 60, "", "local", 0.0, -1.0)
for _ in range(number):
    listener.notify(RequestDecided(decision, "/", 0.5))
listener.notify(ClientsFlagged(number))
listener.notify(ModelLoaded(number, 100.0 * number))
listener.notify(TrainingEnded("accepted", 2.0))
listener.notify(StoreLost("") if number == 2 else StoreBack())
"""

COLLECT = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""

TWO_APPS = """
from prometheus_client import CollectorRegistry
from flask_irl.telemetry.prometheus import PrometheusListener
from flask_irl.telemetry.events import *
one, other = (PrometheusListener(CollectorRegistry()) for _ in range(2))
for _ in range(5):
    one.notify(RequestExempted("/"))
for _ in range(2):
    other.notify(RequestExempted("/"))
one.notify(RequestExempted("/"))
"""

THREADS = """
import threading
from prometheus_client import CollectorRegistry
from flask_irl.telemetry.prometheus import PrometheusListener
from flask_irl.telemetry.events import *
from flask_irl.limits.decision import Decision
listener = PrometheusListener(CollectorRegistry())
decision = Decision("limited", "k", 1, 1, 1.0, 0.0, True, 1, 0.0, 60, "", "local", 0.0, -1.0)
def work(number):
    for i in range(2000):
        listener.notify(RequestDecided(decision, f"/{i % 7}", 0.5))
        listener.notify(TrainingEnded("failed", 1.0))
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Set the folder of multiprocess mode."""
    return {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}


def collect(environment: dict[str, str]) -> list[str]:
    """Expose the metrics of all processes, a line each."""
    return run_python(COLLECT, **environment).splitlines()


def run_python(code: str, *arguments: str, **environment: str) -> str:
    """Run code in a process of its own, and give its output."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_several_processes_add_up_without_a_label_for_each(environment: dict[str, str]) -> None:
    for number in ("2", "3"):
        run_python(WORKER, number, **environment)
    lines = collect(environment)
    assert 'irl_requests_total{outcome="allowed",route="/"} 5.0' in lines
    assert "irl_decision_seconds_sum 2.5" in lines
    assert 'irl_model_trainings_total{result="accepted"} 2.0' in lines
    # The processes have ended one after the other: the last one's model counts.
    assert "irl_model_version 3.0" in lines
    assert [line for line in lines if "pid=" in line] == []


def test_two_apps_of_one_process_add_up_and_dont_write_over_each_other(
    environment: dict[str, str],
) -> None:
    run_python(TWO_APPS, **environment)
    lines = collect(environment)
    assert 'irl_requests_total{outcome="exempt",route="/"} 8.0' in lines


def test_threads_of_a_process_lose_no_count(environment: dict[str, str]) -> None:
    run_python(THREADS, **environment)
    lines = collect(environment)
    assert "irl_decision_seconds_count 8000.0" in lines
    assert "irl_local_refusals_total 8000.0" in lines
    assert 'irl_model_trainings_total{result="failed"} 8000.0' in lines


def test_the_model_of_a_process_that_is_marked_dead_no_longer_counts(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    run_python(WORKER, "2", **environment)
    [of_first] = tmp_path.glob("gauge_livemax_*.db")
    run_python(WORKER, "3", **environment)
    [of_second] = set(tmp_path.glob("gauge_livemax_*.db")) - {of_first}
    code = "import sys; from prometheus_client.multiprocess import mark_process_dead as dead"
    pid = of_second.stem.rpartition("_")[2]
    run_python(f"{code}; dead(sys.argv[1])", pid, **environment)
    lines = collect(environment)
    assert "irl_model_version 2.0" in lines
    assert "irl_flagged_clients 2.0" in lines
    assert "irl_store_fallback 1.0" in lines
    assert 'irl_requests_total{outcome="allowed",route="/"} 5.0' in lines


def test_the_metrics_are_loaded_only_when_asked_for() -> None:
    code = "import sys, flask_irl; print('prometheus_client' in sys.modules)"
    assert run_python(code) == "False\n"
