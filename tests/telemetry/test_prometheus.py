"""Test the Prometheus metrics of events, and that their labels are bounded."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest

from flask_irl import Decision, IntelligentLimiter
from flask_irl.errors import OUT
from flask_irl.telemetry.events import (
    AdminRefused,
    CallbackFailed,
    CampaignRefused,
    CampaignsRunning,
    ClientsFlagged,
    ClientsScored,
    ErrorSwallowed,
    Event,
    JobSkipped,
    Listener,
    ModelLoaded,
    ModelPinned,
    RequestDecided,
    RequestExempted,
    StoreBack,
    StoreFailed,
    StoreLost,
    TrainingEnded,
    ValueDamaged,
    Webhook,
)
from flask_irl.telemetry.prometheus import DAMAGES, PrometheusListener

CONTRACT = """
irl_requests_total irl_anomalous_requests_total irl_decision_seconds irl_anomaly_score
irl_model_version irl_model_trained_timestamp_seconds irl_model_training_seconds
irl_model_trainings_total irl_flagged_clients irl_store_errors_total irl_store_fallback
irl_local_refusals_total irl_campaigns irl_campaign_refusals_total
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


class Metrics:
    """Keep a listener with its registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.listener: Listener = PrometheusListener(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        """Give the value of a sample, None if there is no such sample."""
        return self.registry.get_sample_value(name, labels)

    def text(self) -> str:
        """Expose all metrics as text."""
        return generate_latest(self.registry).decode()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_every_metric_of_the_contract_is_there(metrics: Metrics) -> None:
    metrics.listener.notify(RequestDecided(DECISION, "/", 0.0001))
    text = metrics.text()
    missing = [name for name in CONTRACT if f"# HELP {name} " not in text]
    assert missing == []


def test_requests_are_counted_by_outcome_and_route(metrics: Metrics) -> None:
    for _ in range(3):
        metrics.listener.notify(RequestDecided(DECISION, "/api/data", 0.0001))
    metrics.listener.notify(
        RequestDecided(DECISION._replace(outcome="limited"), "/api/data", 0.0001)
    )
    metrics.listener.notify(RequestExempted("/health"))
    assert metrics.value("irl_requests_total", outcome="allowed", route="/api/data") == 3
    assert metrics.value("irl_requests_total", outcome="limited", route="/api/data") == 1
    assert metrics.value("irl_requests_total", outcome="exempt", route="/health") == 1


def test_the_time_of_a_decision_falls_into_its_bucket(metrics: Metrics) -> None:
    metrics.listener.notify(RequestDecided(DECISION, "/", 0.00004))
    assert metrics.value("irl_decision_seconds_bucket", le="2.5e-05") == 0
    assert metrics.value("irl_decision_seconds_bucket", le="5e-05") == 1
    assert metrics.value("irl_decision_seconds_sum") == pytest.approx(0.00004)


def test_requests_of_flagged_clients_are_counted_beside_the_rest(metrics: Metrics) -> None:
    metrics.listener.notify(RequestDecided(DECISION, "/", 0.0001))
    assert metrics.value("irl_anomalous_requests_total", route="/") is None
    flagged = DECISION._replace(is_anomalous=True, step=1, limit=30)
    metrics.listener.notify(RequestDecided(flagged, "/", 0.0001))
    metrics.listener.notify(RequestDecided(flagged._replace(outcome="limited"), "/", 0.0001))
    assert metrics.value("irl_anomalous_requests_total", route="/") == 2


def test_only_refusals_without_the_store_are_local(metrics: Metrics) -> None:
    metrics.listener.notify(RequestDecided(DECISION._replace(outcome="limited"), "/", 0.0001))
    assert metrics.value("irl_local_refusals_total") == 0
    metrics.listener.notify(
        RequestDecided(DECISION._replace(outcome="limited", source="local"), "/", 0.0001)
    )
    assert metrics.value("irl_local_refusals_total") == 1


def test_scores_are_spread_over_buckets_from_minus_one_to_zero(metrics: Metrics) -> None:
    metrics.listener.notify(ClientsScored(np.array([-1.0, -0.51, -0.5, -0.02, 0.0])))
    assert metrics.value("irl_anomaly_score_bucket", le="-0.95") == 1
    assert metrics.value("irl_anomaly_score_bucket", le="-0.5") == 3
    assert metrics.value("irl_anomaly_score_bucket", le="0.0") == 5


def test_requests_for_the_metrics_are_not_counted(metrics: Metrics) -> None:
    metrics.listener.notify(RequestExempted("/metrics"))
    assert 'route="/metrics"' not in metrics.text()


def test_the_exempt_routes_that_are_not_counted_can_be_chosen() -> None:
    registry = CollectorRegistry()
    listener = PrometheusListener(registry, uncounted={"/internal/metrics"})
    listener.notify(RequestExempted("/internal/metrics"))
    listener.notify(RequestExempted("/metrics"))
    value = registry.get_sample_value
    assert value("irl_requests_total", {"outcome": "exempt", "route": "/metrics"}) == 1
    assert "/internal/metrics" not in generate_latest(registry).decode()


def test_counters_that_alerts_watch_begin_at_zero(metrics: Metrics) -> None:
    # A counter that appears with its first event has not increased by it.
    assert metrics.value("irl_model_trainings_total", result="failed") == 0
    kinds = ("timeout", "refused", "connection", "response", "error", OUT)
    assert [metrics.value("irl_store_errors_total", kind=kind) for kind in kinds] == [0] * 6


@pytest.mark.parametrize("result", ["accepted", "kept_aside", "rejected", "refused", "failed"])
def test_trainings_are_counted_by_result(metrics: Metrics, result: str) -> None:
    metrics.listener.notify(TrainingEnded(result, 1.5))
    assert metrics.value("irl_model_trainings_total", result=result) == 1


def test_only_trainings_that_made_a_model_have_a_duration(metrics: Metrics) -> None:
    metrics.listener.notify(TrainingEnded("refused", 0.0))
    metrics.listener.notify(TrainingEnded("failed", 120.0))
    metrics.listener.notify(TrainingEnded("accepted", 1.5))
    metrics.listener.notify(TrainingEnded("rejected", 0.5))
    assert metrics.value("irl_model_training_seconds_count") == 2
    assert metrics.value("irl_model_training_seconds_sum") == 2.0


def test_the_model_in_force_is_shown_even_after_a_rollback(metrics: Metrics) -> None:
    metrics.listener.notify(ModelLoaded(4, 1_700_000_300.0))
    metrics.listener.notify(ModelLoaded(3, 1_700_000_000.0))
    assert metrics.value("irl_model_version") == 3
    assert metrics.value("irl_model_trained_timestamp_seconds") == 1_700_000_000.0


def test_the_pinned_version_is_shown_while_it_is_pinned(metrics: Metrics) -> None:
    assert metrics.value("irl_model_pinned") == 0
    metrics.listener.notify(ModelPinned(3))
    assert metrics.value("irl_model_pinned") == 3
    metrics.listener.notify(ModelPinned(0))
    assert metrics.value("irl_model_pinned") == 0


def test_the_fallback_is_one_while_the_store_is_lost(metrics: Metrics) -> None:
    metrics.listener.notify(StoreFailed("timeout"))
    metrics.listener.notify(StoreLost("refused"))
    assert metrics.value("irl_store_fallback") == 1
    assert metrics.value("irl_store_errors_total", kind="timeout") == 1
    metrics.listener.notify(StoreBack())
    assert metrics.value("irl_store_fallback") == 0


def test_flagged_clients_are_the_latest_number(metrics: Metrics) -> None:
    metrics.listener.notify(ClientsFlagged(7))
    metrics.listener.notify(ClientsFlagged(2))
    assert metrics.value("irl_flagged_clients") == 2


def test_errors_kept_from_the_app_are_counted_by_place(metrics: Metrics) -> None:
    metrics.listener.notify(ErrorSwallowed("flush"))
    assert metrics.value("irl_internal_errors_total", where="flush") == 1


def test_skipped_jobs_are_counted_by_name(metrics: Metrics) -> None:
    assert metrics.value("irl_jobs_skipped_total", job="flush") == 0
    metrics.listener.notify(JobSkipped("flush"))
    assert metrics.value("irl_jobs_skipped_total", job="flush") == 1


def test_damaged_values_are_counted_by_kind_from_0(metrics: Metrics) -> None:
    assert {metrics.value("irl_damaged_values_total", kind=kind) for kind in DAMAGES} == {0}
    metrics.listener.notify(ValueDamaged("rows", 3))
    assert metrics.value("irl_damaged_values_total", kind="rows") == 3


def test_errors_of_the_apps_functions_are_counted_apart(metrics: Metrics) -> None:
    metrics.listener.notify(CallbackFailed("key_func"))
    assert metrics.value("irl_callback_errors_total", where="key_func") == 1
    assert metrics.value("irl_internal_errors_total", where="key_func") is None


def test_refusals_of_the_admin_api_are_counted_by_reason(metrics: Metrics) -> None:
    metrics.listener.notify(AdminRefused("missing"))
    assert metrics.value("irl_admin_refusals_total", reason="missing") == 1


def test_a_clients_key_is_never_shown(metrics: Metrics) -> None:
    for outcome in ("allowed", "limited", "shadow_limited", "blocked"):
        for source in ("store", "local", "fallback", "none"):
            decision = DECISION._replace(outcome=outcome, source=source, is_anomalous=True)
            metrics.listener.notify(RequestDecided(decision, "/", 0.0001))
    assert DECISION.key not in metrics.text()


def test_a_registry_takes_one_listener(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="irl_requests"):
        PrometheusListener(metrics.registry)


def test_invented_paths_make_no_series() -> None:
    metrics = Metrics()
    app = Flask("invented")
    IntelligentLimiter(app, background=False, listener=metrics.listener)
    app.get("/items/<int:number>")(lambda number: str(number))
    client = app.test_client()
    for number in range(20):
        client.get(f"/items/{number}")
        client.get(f"/scan/{number}")
        client.open(f"/items/{number}", method=f"VERB{number}")
    assert metrics.value("irl_requests_total", outcome="allowed", route="/items/<int:number>") == 20
    # No rule matches an invented method either.
    assert metrics.value("irl_requests_total", outcome="allowed", route="unmatched") == 40
    routes = {
        sample.labels["route"]
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if "route" in sample.labels
    }
    assert routes == {"/items/<int:number>", "unmatched"}


def test_every_kind_of_event_changes_a_metric(metrics: Metrics) -> None:
    events: dict[type[Event], Event] = {
        RequestDecided: RequestDecided(DECISION, "/", 0.1),
        RequestExempted: RequestExempted("/health"),
        ClientsScored: ClientsScored(np.array([-0.3])),
        ClientsFlagged: ClientsFlagged(3),
        CampaignsRunning: CampaignsRunning(["login"]),
        CampaignRefused: CampaignRefused("login"),
        TrainingEnded: TrainingEnded("accepted", 1.0),
        ModelLoaded: ModelLoaded(2, 1_700_000_000.0),
        ModelPinned: ModelPinned(2),
        StoreFailed: StoreFailed("timeout"),
        StoreLost: StoreLost("gone"),
        StoreBack: StoreBack(),
        AdminRefused: AdminRefused("wrong"),
        ErrorSwallowed: ErrorSwallowed("flush"),
        JobSkipped: JobSkipped("flush"),
        CallbackFailed: CallbackFailed("key_func"),
        ValueDamaged: ValueDamaged("model", 1),
        Webhook: Webhook("retried"),
    }
    assert set(events) == set(get_args(Event))
    for event in events.values():
        before = generate_latest(metrics.registry)
        metrics.listener.notify(event)
        assert generate_latest(metrics.registry) != before, event
