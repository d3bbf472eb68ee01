"""Prometheus metrics: what counts as what, bounded labels, several apps, several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest

from flask_irl import Decision, IntelligentLimiter
from flask_irl.telemetry.events import (
    AdminRefused,
    ClientsFlagged,
    ClientsScored,
    ErrorSwallowed,
    Event,
    Listener,
    ModelLoaded,
    RequestDecided,
    RequestExempted,
    StoreBack,
    StoreFailed,
    StoreLost,
    TrainingEnded,
)
from flask_irl.telemetry.prometheus import PrometheusListener

ROOT = Path(__file__).parents[2]
CONTRACT = """
irl_requests_total irl_anomalous_requests_total irl_decision_seconds irl_anomaly_score
irl_model_version irl_model_trained_timestamp_seconds irl_model_training_seconds
irl_model_trainings_total irl_flagged_clients irl_store_errors_total irl_store_fallback
irl_local_refusals_total
""".split()

DECISION = Decision(
    outcome="allowed",
    key="203.0.113.77",
    limit=100,
    remaining=99,
    reset_after=60.0,
    retry_after=0.0,
    is_anomalous=False,
    step=0,
    score=-0.1,
    window_seconds=60,
    scope="",
    source="store",
    at=1_700_000_000.0,
    gap=-1.0,
)


class Kept:
    """A listener with its registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.listener: Listener = PrometheusListener(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def text(self) -> str:
        return generate_latest(self.registry).decode()


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_every_metric_of_the_contract_is_there(kept: Kept) -> None:
    kept.listener.notify(RequestDecided(DECISION, "/", 0.0001))
    shown = kept.text()
    missing = [name for name in CONTRACT if f"# HELP {name} " not in shown]
    assert missing == []


def test_requests_are_counted_by_outcome_and_route(kept: Kept) -> None:
    for _ in range(3):
        kept.listener.notify(RequestDecided(DECISION, "/api/data", 0.0001))
    kept.listener.notify(RequestDecided(DECISION._replace(outcome="limited"), "/api/data", 0.0001))
    kept.listener.notify(RequestExempted("/health"))
    assert kept.value("irl_requests_total", outcome="allowed", route="/api/data") == 3
    assert kept.value("irl_requests_total", outcome="limited", route="/api/data") == 1
    assert kept.value("irl_requests_total", outcome="exempt", route="/health") == 1


def test_the_time_of_a_decision_falls_into_its_bucket(kept: Kept) -> None:
    kept.listener.notify(RequestDecided(DECISION, "/", 0.00004))
    assert kept.value("irl_decision_seconds_bucket", le="2.5e-05") == 0
    assert kept.value("irl_decision_seconds_bucket", le="5e-05") == 1
    assert kept.value("irl_decision_seconds_sum") == pytest.approx(0.00004)


def test_requests_of_flagged_clients_are_counted_beside_the_rest(kept: Kept) -> None:
    kept.listener.notify(RequestDecided(DECISION, "/", 0.0001))
    assert kept.value("irl_anomalous_requests_total", route="/") is None
    flagged = DECISION._replace(is_anomalous=True, step=1, limit=30)
    kept.listener.notify(RequestDecided(flagged, "/", 0.0001))
    kept.listener.notify(RequestDecided(flagged._replace(outcome="limited"), "/", 0.0001))
    assert kept.value("irl_anomalous_requests_total", route="/") == 2


def test_only_refusals_without_the_store_are_local(kept: Kept) -> None:
    kept.listener.notify(RequestDecided(DECISION._replace(outcome="limited"), "/", 0.0001))
    assert kept.value("irl_local_refusals_total") == 0
    kept.listener.notify(
        RequestDecided(DECISION._replace(outcome="limited", source="local"), "/", 0.0001)
    )
    assert kept.value("irl_local_refusals_total") == 1


def test_scores_are_spread_over_buckets_from_minus_one_to_zero(kept: Kept) -> None:
    kept.listener.notify(ClientsScored(np.array([-1.0, -0.51, -0.5, -0.02, 0.0])))
    assert kept.value("irl_anomaly_score_bucket", le="-0.95") == 1
    assert kept.value("irl_anomaly_score_bucket", le="-0.5") == 3
    assert kept.value("irl_anomaly_score_bucket", le="0.0") == 5


def test_requests_for_the_metrics_leave_no_trace(kept: Kept) -> None:
    kept.listener.notify(RequestExempted("/metrics"))
    assert 'route="/metrics"' not in kept.text()


def test_which_exempt_routes_leave_no_trace_can_be_said() -> None:
    registry = CollectorRegistry()
    listener = PrometheusListener(registry, uncounted={"/internal/metrics"})
    listener.notify(RequestExempted("/internal/metrics"))
    listener.notify(RequestExempted("/metrics"))
    value = registry.get_sample_value
    assert value("irl_requests_total", {"outcome": "exempt", "route": "/metrics"}) == 1
    assert "/internal/metrics" not in generate_latest(registry).decode()


def test_what_alerts_watch_is_zero_from_the_start(kept: Kept) -> None:
    # A counter that appears with its first event has not increased by it.
    assert kept.value("irl_model_trainings_total", result="failed") == 0
    kinds = ("timeout", "refused", "connection", "response", "error")
    assert [kept.value("irl_store_errors_total", kind=kind) for kind in kinds] == [0] * 5


@pytest.mark.parametrize("result", ["accepted", "rejected", "refused", "failed"])
def test_trainings_are_counted_by_result(kept: Kept, result: str) -> None:
    kept.listener.notify(TrainingEnded(result, 1.5))
    assert kept.value("irl_model_trainings_total", result=result) == 1


def test_only_trainings_that_made_a_model_have_a_duration(kept: Kept) -> None:
    kept.listener.notify(TrainingEnded("refused", 0.0))
    kept.listener.notify(TrainingEnded("failed", 120.0))
    kept.listener.notify(TrainingEnded("accepted", 1.5))
    kept.listener.notify(TrainingEnded("rejected", 0.5))
    assert kept.value("irl_model_training_seconds_count") == 2
    assert kept.value("irl_model_training_seconds_sum") == 2.0


def test_the_model_in_force_is_shown_even_after_a_rollback(kept: Kept) -> None:
    kept.listener.notify(ModelLoaded(4, 1_700_000_300.0))
    kept.listener.notify(ModelLoaded(3, 1_700_000_000.0))
    assert kept.value("irl_model_version") == 3
    assert kept.value("irl_model_trained_timestamp_seconds") == 1_700_000_000.0


def test_the_fallback_is_one_while_the_store_is_lost(kept: Kept) -> None:
    kept.listener.notify(StoreFailed("timeout"))
    kept.listener.notify(StoreLost("refused"))
    assert kept.value("irl_store_fallback") == 1
    assert kept.value("irl_store_errors_total", kind="timeout") == 1
    kept.listener.notify(StoreBack())
    assert kept.value("irl_store_fallback") == 0


def test_flagged_clients_are_the_latest_number(kept: Kept) -> None:
    kept.listener.notify(ClientsFlagged(7))
    kept.listener.notify(ClientsFlagged(2))
    assert kept.value("irl_flagged_clients") == 2


def test_errors_kept_from_the_app_are_counted_by_place(kept: Kept) -> None:
    kept.listener.notify(ErrorSwallowed("key_func"))
    assert kept.value("irl_internal_errors_total", where="key_func") == 1


def test_refusals_of_the_admin_api_are_counted_by_reason(kept: Kept) -> None:
    kept.listener.notify(AdminRefused("missing"))
    assert kept.value("irl_admin_refusals_total", reason="missing") == 1


def test_a_clients_key_is_never_shown(kept: Kept) -> None:
    for outcome in ("allowed", "limited", "shadow_limited", "blocked"):
        for source in ("store", "local", "fallback", "none"):
            decision = DECISION._replace(outcome=outcome, source=source, is_anomalous=True)
            kept.listener.notify(RequestDecided(decision, "/", 0.0001))
    assert DECISION.key not in kept.text()


def test_a_registry_takes_one_listener(kept: Kept) -> None:
    with pytest.raises(ValueError, match="irl_requests"):
        PrometheusListener(kept.registry)


def test_paths_that_strangers_invent_make_no_series() -> None:
    kept = Kept()
    app = Flask("invented")
    IntelligentLimiter(app, background=False, listener=kept.listener)
    app.get("/items/<int:number>")(lambda number: str(number))
    client = app.test_client()
    for number in range(20):
        client.get(f"/items/{number}")
        client.get(f"/scan/{number}")
        client.open(f"/items/{number}", method=f"VERB{number}")
    assert kept.value("irl_requests_total", outcome="allowed", route="/items/<int:number>") == 20
    # No rule matches an invented method either.
    assert kept.value("irl_requests_total", outcome="allowed", route="unmatched") == 40
    routes = {
        sample.labels["route"]
        for metric in kept.registry.collect()
        for sample in metric.samples
        if "route" in sample.labels
    }
    assert routes == {"/items/<int:number>", "unmatched"}


def test_the_metrics_are_loaded_only_when_asked_for() -> None:
    code = "import sys, flask_irl; print('prometheus_client' in sys.modules)"
    assert _python(code) == "False\n"


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


@pytest.mark.integration
def test_several_processes_add_up_without_a_label_for_each(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for number in ("2", "3"):
        _python(WORKER, number, **environment)
    shown = _python(COLLECT, **environment).splitlines()
    assert 'irl_requests_total{outcome="allowed",route="/"} 5.0' in shown
    assert "irl_decision_seconds_sum 2.5" in shown
    assert 'irl_model_trainings_total{result="accepted"} 2.0' in shown
    # The processes have ended one after the other: the last one's model counts.
    assert "irl_model_version 3.0" in shown
    assert [line for line in shown if "pid=" in line] == []


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


@pytest.mark.integration
def test_two_apps_of_one_process_add_up_and_dont_write_over_each_other(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    _python(TWO_APPS, **environment)
    shown = _python(COLLECT, **environment)
    assert 'irl_requests_total{outcome="exempt",route="/"} 8.0' in shown


@pytest.mark.integration
def test_threads_of_a_process_lose_no_count(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    _python(THREADS, **environment)
    shown = _python(COLLECT, **environment)
    assert "irl_decision_seconds_count 8000.0" in shown
    assert "irl_local_refusals_total 8000.0" in shown
    assert 'irl_model_trainings_total{result="failed"} 8000.0' in shown


@pytest.mark.integration
def test_the_model_of_a_process_that_is_marked_dead_no_longer_counts(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    _python(WORKER, "2", **environment)
    [of_first] = tmp_path.glob("gauge_livemax_*.db")
    _python(WORKER, "3", **environment)
    [of_second] = set(tmp_path.glob("gauge_livemax_*.db")) - {of_first}
    code = "import sys; from prometheus_client.multiprocess import mark_process_dead as dead"
    pid = of_second.stem.rpartition("_")[2]
    _python(f"{code}; dead(sys.argv[1])", pid, **environment)
    shown = _python(COLLECT, **environment).splitlines()
    assert "irl_model_version 2.0" in shown
    assert "irl_flagged_clients 2.0" in shown
    assert "irl_store_fallback 1.0" in shown
    assert 'irl_requests_total{outcome="allowed",route="/"} 5.0' in shown


def _python(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_keeps_every_kind_of_event(kept: Kept) -> None:
    events: dict[type[Event], Event] = {
        RequestDecided: RequestDecided(DECISION, "/", 0.1),
        RequestExempted: RequestExempted("/health"),
        ClientsScored: ClientsScored(np.array([-0.3])),
        ClientsFlagged: ClientsFlagged(3),
        TrainingEnded: TrainingEnded("accepted", 1.0),
        ModelLoaded: ModelLoaded(2, 1_700_000_000.0),
        StoreFailed: StoreFailed("timeout"),
        StoreLost: StoreLost("gone"),
        StoreBack: StoreBack(),
        AdminRefused: AdminRefused("wrong"),
        ErrorSwallowed: ErrorSwallowed("key_func"),
    }
    assert set(events) == set(get_args(Event))
    for event in events.values():
        before = generate_latest(kept.registry)
        kept.listener.notify(event)
        assert generate_latest(kept.registry) != before, event
