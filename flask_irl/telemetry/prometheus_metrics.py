"""Define the Prometheus metrics of a limiter; needs the extra ``metrics``."""

from __future__ import annotations

from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge, Histogram

DECISION_BUCKETS: Final = (
    *(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4),
    *(1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1),
)
"""Seconds: from the memory store's tens of microseconds to the time-out of a store."""
SCORE_BUCKETS: Final = tuple(round(-0.95 + 0.05 * i, 2) for i in range(20))
TRAINING_BUCKETS: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds."""


class Metrics(NamedTuple):
    """Hold the metrics, none of them registered yet."""

    requests: Counter
    anomalous: Counter
    seconds: Histogram
    scores: Histogram
    version: Gauge
    trained_at: Gauge
    pinned: Gauge
    training_seconds: Histogram
    trainings: Counter
    flagged: Gauge
    campaigns: Gauge
    campaign_refusals: Counter
    store_errors: Counter
    fallback: Gauge
    local_refusals: Counter
    admin_refusals: Counter
    jobs_skipped: Counter
    internal_errors: Counter
    callback_errors: Counter
    damaged: Counter
    webhooks: Counter


def make_metrics() -> Metrics:
    """Make a set of metrics."""
    return Metrics(
        requests=Counter(
            "irl_requests_total",
            "Requests by the decision on them",
            ("outcome", "route"),
            registry=None,
        ),
        anomalous=Counter(
            "irl_anomalous_requests_total",
            "Requests of clients that are flagged as anomalous",
            ("route",),
            registry=None,
        ),
        seconds=Histogram(
            "irl_decision_seconds",
            "Time that a request waited for its decision",
            buckets=DECISION_BUCKETS,
            registry=None,
        ),
        scores=Histogram(
            "irl_anomaly_score",
            "Calibrated scores of clients, 0 (normal) to -1 (anomalous), at each evaluation",
            buckets=SCORE_BUCKETS,
            registry=None,
        ),
        # Not the highest: after a rollback it is a lower one.
        version=Gauge(
            "irl_model_version",
            "Version of the model in force, 0 for none",
            registry=None,
            multiprocess_mode="livemostrecent",
        ),
        trained_at=Gauge(
            "irl_model_trained_timestamp_seconds",
            "When the model in force was trained, in seconds since the epoch",
            registry=None,
            multiprocess_mode="livemostrecent",
        ),
        pinned=Gauge(
            "irl_model_pinned",
            "Version of the model that an operator has pinned, 0 for none",
            registry=None,
            multiprocess_mode="livemostrecent",
        ),
        training_seconds=Histogram(
            "irl_model_training_seconds",
            "Duration of trainings that made a model",
            buckets=TRAINING_BUCKETS,
            registry=None,
        ),
        trainings=Counter(
            "irl_model_trainings_total",
            "Trainings by result",
            ("result",),
            registry=None,
        ),
        # Most clients are met by every process, so the numbers don't add up.
        flagged=Gauge(
            "irl_flagged_clients",
            "Clients seen in the last minutes that are flagged as anomalous",
            registry=None,
            multiprocess_mode="livemax",
        ),
        # All processes know the same campaigns.
        campaigns=Gauge(
            "irl_campaigns",
            "Attacks of many clients that run, by kind",
            ("kind",),
            registry=None,
            multiprocess_mode="livemostrecent",
        ),
        campaign_refusals=Counter(
            "irl_campaign_refusals_total",
            "Requests of newcomers that were refused because of a campaign, by its kind",
            ("kind",),
            registry=None,
        ),
        store_errors=Counter(
            "irl_store_errors_total", "Failed calls of the store", ("kind",), registry=None
        ),
        fallback=Gauge(
            "irl_store_fallback",
            "1 while the store is lost and on_store_error decides, else 0",
            registry=None,
            multiprocess_mode="livemax",
        ),
        local_refusals=Counter(
            "irl_local_refusals_total", "Requests refused without asking the store", registry=None
        ),
        admin_refusals=Counter(
            "irl_admin_refusals_total",
            "Requests that the admin API refused, by reason",
            ("reason",),
            registry=None,
        ),
        jobs_skipped=Counter(
            "irl_jobs_skipped_total",
            "Background jobs that were due while they still ran, by job",
            ("job",),
            registry=None,
        ),
        internal_errors=Counter(
            "irl_internal_errors_total",
            "Errors of the limiter that were kept from the app",
            ("where",),
            registry=None,
        ),
        callback_errors=Counter(
            "irl_callback_errors_total",
            "Calls of the app's own functions, such as key_func, that gave nothing of use",
            ("where",),
            registry=None,
        ),
        damaged=Counter(
            "irl_damaged_values_total",
            "Values of the store that can't be read, and so count as absent, by kind",
            ("kind",),
            registry=None,
        ),
        webhooks=Counter(
            "irl_webhooks_total", "Tries to deliver webhooks", ("outcome",), registry=None
        ),
    )
