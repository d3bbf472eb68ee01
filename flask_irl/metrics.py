"""Prometheus metrics of a limiter; needs the extra ``metrics``.

Labels are bounded: outcomes, results and kinds are fixed words, routes are the app's rules or
``unmatched``. A client's key is never one. In multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``)
counters and histograms add up over the processes; gauges show the latest or the highest value.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from flask_irl.records import Decision

DECISION_BUCKETS: Final = (
    *(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4),
    *(1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1),
)
"""Seconds: from the memory store's tens of microseconds to the time-out of a store."""
SCORE_BUCKETS: Final = tuple(round(-0.95 + 0.05 * i, 2) for i in range(20))
TRAINING_BUCKETS: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
TRAINED: Final = frozenset({"accepted", "rejected"})


class PrometheusListener:
    """A :class:`~flask_irl.listener.Listener` that keeps Prometheus metrics.

    Args:
        registry: Where they are registered; one listener per registry. Apps of one process each
            need their own.

    Raises:
        ValueError: The registry has such metrics already.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "irl_requests_total",
            "Requests by what was decided on them",
            ("outcome", "route"),
            registry=registry,
        )
        self._anomalous = Counter(
            "irl_anomalous_requests_total",
            "Requests of clients that are flagged as anomalous",
            ("route",),
            registry=registry,
        )
        self._seconds = Histogram(
            "irl_decision_seconds",
            "Time that a request waited for its decision",
            buckets=DECISION_BUCKETS,
            registry=registry,
        )
        self._scores = Histogram(
            "irl_anomaly_score",
            "Calibrated scores of clients, 0 (normal) to -1 (anomalous), at each evaluation",
            buckets=SCORE_BUCKETS,
            registry=registry,
        )
        self._version = Gauge(
            "irl_model_version",
            "Version of the model in force, 0 for none",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._trained_at = Gauge(
            "irl_model_trained_timestamp_seconds",
            "When the model in force was trained, in seconds since the epoch",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._training_seconds = Histogram(
            "irl_model_training_seconds",
            "Duration of trainings that made a model",
            buckets=TRAINING_BUCKETS,
            registry=registry,
        )
        self._trainings = Counter(
            "irl_model_trainings_total",
            "Trainings by what came of them",
            ("result",),
            registry=registry,
        )
        self._flagged = Gauge(
            "irl_flagged_clients",
            "Clients seen in the last minutes that are flagged as anomalous",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._store_errors = Counter(
            "irl_store_errors_total", "Failed calls of the store", ("kind",), registry=registry
        )
        self._fallback = Gauge(
            "irl_store_fallback",
            "1 while the store is lost and on_store_error decides, else 0",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._local_refusals = Counter(
            "irl_local_refusals_total",
            "Requests refused without asking the store",
            registry=registry,
        )
        self._admin_refusals = Counter(
            "irl_admin_refusals_total",
            "Requests that the admin API refused, by what was wrong with the token",
            ("reason",),
            registry=registry,
        )
        self._internal_errors = Counter(
            "irl_internal_errors_total",
            "Errors of the limiter that were kept from the app",
            ("where",),
            registry=registry,
        )
        # Finding a labelled counter costs more than counting.
        self._known_requests: dict[tuple[str, str], Counter] = {}
        self._known_anomalous: dict[str, Counter] = {}

    def decided(self, decision: Decision, route: str, seconds: float) -> None:
        """Count a request and how long its decision took."""
        self._count(decision.outcome, route)
        self._seconds.observe(seconds)
        if decision.is_anomalous:
            counter = self._known_anomalous.get(route)
            if counter is None:
                counter = self._known_anomalous[route] = self._anomalous.labels(route)
            counter.inc()
        if decision.source == "local":
            self._local_refusals.inc()

    def exempted(self, route: str) -> None:
        """Count a request that isn't limited."""
        self._count("exempt", route)

    def scored(self, scores: NDArray[np.float64]) -> None:
        """Add clients' scores."""
        for score in scores.tolist():
            self._scores.observe(score)

    def flagged(self, clients: int) -> None:
        """Set the number of flagged clients."""
        self._flagged.set(clients)

    def trained(self, result: str, seconds: float) -> None:
        """Count a training, and keep its duration if it made a model."""
        self._trainings.labels(result).inc()
        if result in TRAINED:
            self._training_seconds.observe(seconds)

    def model_loaded(self, version: int, trained_at: float) -> None:
        """Set the model in force."""
        self._version.set(version)
        self._trained_at.set(trained_at)

    def store_failed(self, kind: str) -> None:
        """Count a failed call of the store."""
        self._store_errors.labels(kind).inc()

    def fallback(self, active: bool) -> None:
        """Set whether the store is lost."""
        self._fallback.set(active)

    def admin_refused(self, reason: str) -> None:
        """Count a refused request to the admin API."""
        self._admin_refusals.labels(reason).inc()

    def swallowed(self, where: str) -> None:
        """Count an error of the limiter's own."""
        self._internal_errors.labels(where).inc()

    def _count(self, outcome: str, route: str) -> None:
        counter = self._known_requests.get((outcome, route))
        if counter is None:
            counter = self._requests.labels(outcome, route)
            self._known_requests[outcome, route] = counter
        counter.inc()
