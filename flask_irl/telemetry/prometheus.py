"""Count the events of a limiter in Prometheus metrics; needs the extra ``metrics``.

Labels are bounded: outcomes, results and kinds are fixed words, routes are the app's rules or
``unmatched``. A client's key is never one. In multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``)
counters and histograms add up over all processes, ended ones too; gauges show the latest or the
highest value of those alive, provided that ``mark_process_dead`` is called for each that ends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"flask_irl.telemetry.prometheus needs {error.name}, which is not installed: pip install "
        '"flask-irl[metrics]"',
        name=error.name,
    ) from None

from flask_irl.telemetry.events import (
    AdminRefused,
    CallbackFailed,
    ClientsFlagged,
    ClientsScored,
    ErrorSwallowed,
    Event,
    ModelLoaded,
    ModelPinned,
    RequestDecided,
    RequestExempted,
    StoreBack,
    StoreFailed,
    StoreLost,
    TrainingEnded,
)

DECISION_BUCKETS: Final = (
    *(1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4),
    *(1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1),
)
"""Seconds: from the memory store's tens of microseconds to the time-out of a store."""
SCORE_BUCKETS: Final = tuple(round(-0.95 + 0.05 * i, 2) for i in range(20))
TRAINING_BUCKETS: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds."""
TRAINED: Final = frozenset({"accepted", "kept_aside", "rejected"})
"""Results of trainings that made a model."""
RESULTS: Final = ("accepted", "kept_aside", "rejected", "refused", "failed")
STORE_ERRORS: Final = ("timeout", "refused", "connection", "response", "error")
"""Kinds of errors of a store. Counted from 0, as are the results of trainings: ``increase()``
doesn't see a counter that appears with its first event."""
METRICS_ROUTE: Final = "/metrics"


class _Metrics(NamedTuple):
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
    store_errors: Counter
    fallback: Gauge
    local_refusals: Counter
    admin_refusals: Counter
    internal_errors: Counter
    callback_errors: Counter


def _make_metrics() -> _Metrics:
    return _Metrics(
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
    )


@functools.cache
def _metrics_of_process() -> _Metrics:
    return _make_metrics()


def _metrics() -> _Metrics:
    # In multiprocess mode the registries of one process share its files, in which each set of
    # counters would write its own count over the other's.
    shared = values.ValueClass is not values.MutexValue
    return _metrics_of_process() if shared else _make_metrics()


class PrometheusListener:
    """Keep Prometheus metrics of a limiter's events; a ``listener`` of ``IntelligentLimiter``.

    Args:
        registry: Registers the metrics of one listener. Apps of one process need one each; in
            multiprocess mode their metrics add up all the same.
        uncounted: Exempt routes that are not counted, such as the metrics' own.

    Raises:
        ValueError: The registry has metrics of these names already.
    """

    def __init__(
        self, registry: CollectorRegistry, *, uncounted: Collection[str] = (METRICS_ROUTE,)
    ) -> None:
        metrics = _metrics()
        for metric in metrics:
            registry.register(metric)
        for result in RESULTS:
            metrics.trainings.labels(result)
        for kind in STORE_ERRORS:
            metrics.store_errors.labels(kind)
        self._metrics = metrics
        self._uncounted = frozenset(uncounted)
        self._seconds = metrics.seconds
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            RequestDecided: self._request_decided,
            RequestExempted: self._request_exempted,
            ClientsScored: self._clients_scored,
            ClientsFlagged: self._clients_flagged,
            TrainingEnded: self._training_ended,
            ModelLoaded: self._model_loaded,
            ModelPinned: self._model_pinned,
            StoreFailed: self._store_failed,
            StoreLost: self._store_lost,
            StoreBack: self._store_back,
            AdminRefused: self._admin_refused,
            ErrorSwallowed: self._error_swallowed,
            CallbackFailed: self._callback_failed,
        }
        # Finding a labelled counter costs more than counting.
        self._request_counters: dict[tuple[str, str], Counter] = {}
        self._anomalous_counters: dict[str, Counter] = {}

    def notify(self, event: Event) -> None:
        """Count an event."""
        self._handlers[type(event)](event)

    def _request_decided(self, event: RequestDecided) -> None:
        decision, route, seconds = event
        self._count(decision.outcome, route)
        self._seconds.observe(seconds)
        if decision.is_anomalous:
            counter = self._anomalous_counters.get(route)
            if counter is None:
                counter = self._anomalous_counters[route] = self._metrics.anomalous.labels(route)
            counter.inc()
        if decision.source == "local":
            self._metrics.local_refusals.inc()

    def _request_exempted(self, event: RequestExempted) -> None:
        if event.route not in self._uncounted:
            self._count("exempt", event.route)

    def _clients_scored(self, event: ClientsScored) -> None:
        for score in event.scores.tolist():
            self._metrics.scores.observe(score)

    def _clients_flagged(self, event: ClientsFlagged) -> None:
        self._metrics.flagged.set(event.clients)

    def _training_ended(self, event: TrainingEnded) -> None:
        self._metrics.trainings.labels(event.result).inc()
        if event.result in TRAINED:
            self._metrics.training_seconds.observe(event.seconds)

    def _model_loaded(self, event: ModelLoaded) -> None:
        self._metrics.version.set(event.version)
        self._metrics.trained_at.set(event.trained_at)

    def _model_pinned(self, event: ModelPinned) -> None:
        self._metrics.pinned.set(event.version)

    def _store_failed(self, event: StoreFailed) -> None:
        self._metrics.store_errors.labels(event.kind).inc()

    def _store_lost(self, event: StoreLost) -> None:
        self._metrics.fallback.set(1)

    def _store_back(self, event: StoreBack) -> None:
        self._metrics.fallback.set(0)

    def _admin_refused(self, event: AdminRefused) -> None:
        self._metrics.admin_refusals.labels(event.reason).inc()

    def _error_swallowed(self, event: ErrorSwallowed) -> None:
        self._metrics.internal_errors.labels(event.where).inc()

    def _callback_failed(self, event: CallbackFailed) -> None:
        self._metrics.callback_errors.labels(event.where).inc()

    def _count(self, outcome: str, route: str) -> None:
        counter = self._request_counters.get((outcome, route))
        if counter is None:
            counter = self._metrics.requests.labels(outcome, route)
            self._request_counters[outcome, route] = counter
        counter.inc()
