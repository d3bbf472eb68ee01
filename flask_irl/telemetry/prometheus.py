"""Count the events of a limiter in Prometheus metrics; needs the extra ``metrics``.

Labels are bounded: outcomes, results and kinds are fixed words, routes are the app's rules or
``unmatched``. A client's key is never one. In multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``)
counters and histograms add up over all processes, ended ones too; gauges show the latest or the
highest value of those alive, provided that ``mark_process_dead`` is called for each that ends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, Final

try:
    from prometheus_client import CollectorRegistry, Counter, values
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"flask_irl.telemetry.prometheus needs {error.name}, which is not installed: pip install "
        '"flask-irl[metrics]"',
        name=error.name,
    ) from None

from flask_irl.telemetry.events import (
    AdminRefused,
    ApiKeyRejected,
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
    PlanDecided,
    RequestDecided,
    RequestExempted,
    StoreBack,
    StoreFailed,
    StoreLost,
    TenantUnusable,
    TrainingEnded,
    ValueDamaged,
    Webhook,
)
from flask_irl.telemetry.prometheus_metrics import Metrics, make_metrics

TRAINED: Final = frozenset({"accepted", "kept_aside", "rejected"})
"""Results of trainings that made a model."""
RESULTS: Final = ("accepted", "kept_aside", "rejected", "refused", "failed")
STORE_ERRORS: Final = ("timeout", "refused", "connection", "response", "error", "out")
"""Kinds of errors of a store. Counted from 0, as are the results of trainings: ``increase()``
doesn't see a counter that appears with its first event."""
CAMPAIGNS: Final = ("login", "site", "network")
"""Kinds of campaigns."""
JOBS: Final = ("flush", "poll", "train", "expire")
"""Background jobs."""
DAMAGES: Final = (
    *("client", "profile", "site", "settings", "network", "campaigns", "news"),
    *("assigned", "rows", "model", "audit", "training", "worker", "api_key", "country", "system"),
)
"""Kinds of values in the store; and of those in the files of countries and of networks."""
WEBHOOKS: Final = ("delivered", "retried", "failed", "dropped")
"""Outcomes of tries to deliver a webhook."""
KEY_REJECTIONS: Final = (
    *("unknown", "revoked", "expired", "checksum", "ambiguous", "unverified"),
    *("missing", "scope"),
)
"""Reasons for which requests are refused for their API keys."""
OF_THE_APP: Final = (ModelPinned, CampaignsRunning)
"""Events whose metrics tell of the app's own limiter alone."""
METRICS_ROUTE: Final = "/metrics"


@functools.cache
def _metrics_of_process() -> Metrics:
    return make_metrics()


def _metrics() -> Metrics:
    # In multiprocess mode the registries of one process share its files, in which each set of
    # counters would write its own count over the other's.
    shared = values.ValueClass is not values.MutexValue
    return _metrics_of_process() if shared else make_metrics()


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
        for kind in CAMPAIGNS:
            metrics.campaigns.labels(kind)
        metrics.campaign_refusals.labels("login")
        for job in JOBS:
            metrics.jobs_skipped.labels(job)
        for reason in KEY_REJECTIONS:
            metrics.key_rejections.labels(reason)
        for kind in DAMAGES:
            metrics.damaged.labels(kind)
        for outcome in WEBHOOKS:
            metrics.webhooks.labels(outcome)
        self._metrics = metrics
        self._uncounted = frozenset(uncounted)
        self._seconds = metrics.seconds
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            RequestDecided: self._request_decided,
            PlanDecided: self._plan_decided,
            RequestExempted: self._request_exempted,
            ClientsScored: self._clients_scored,
            ClientsFlagged: self._clients_flagged,
            CampaignsRunning: self._campaigns_running,
            CampaignRefused: self._campaign_refused,
            TrainingEnded: self._training_ended,
            ModelLoaded: self._model_loaded,
            ModelPinned: self._model_pinned,
            StoreFailed: self._store_failed,
            StoreLost: self._store_lost,
            StoreBack: self._store_back,
            AdminRefused: self._admin_refused,
            ApiKeyRejected: self._api_key_rejected,
            ErrorSwallowed: self._error_swallowed,
            JobSkipped: self._job_skipped,
            CallbackFailed: self._callback_failed,
            ValueDamaged: self._value_damaged,
            Webhook: self._webhook_tried,
            TenantUnusable: self._tenant_unusable,
        }
        # Finding a labelled counter costs more than counting.
        self._request_counters: dict[tuple[str, str], Counter] = {}
        self._anomalous_counters: dict[str, Counter] = {}
        self._plan_counters: dict[PlanDecided, Counter] = {}

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

    def _plan_decided(self, event: PlanDecided) -> None:
        counter = self._plan_counters.get(event)
        if counter is None:
            counter = self._plan_counters[event] = self._metrics.plans.labels(*event)
        counter.inc()

    def _request_exempted(self, event: RequestExempted) -> None:
        if event.route not in self._uncounted:
            self._count("exempt", event.route)

    def _clients_scored(self, event: ClientsScored) -> None:
        for score in event.scores.tolist():
            self._metrics.scores.observe(score)

    def _clients_flagged(self, event: ClientsFlagged) -> None:
        self._metrics.flagged.set(event.clients)

    def _campaigns_running(self, event: CampaignsRunning) -> None:
        for kind in CAMPAIGNS:
            self._metrics.campaigns.labels(kind).set(list(event.kinds).count(kind))

    def _campaign_refused(self, event: CampaignRefused) -> None:
        self._metrics.campaign_refusals.labels(event.kind).inc()

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

    def _api_key_rejected(self, event: ApiKeyRejected) -> None:
        self._metrics.key_rejections.labels(event.reason).inc()

    def _error_swallowed(self, event: ErrorSwallowed) -> None:
        self._metrics.internal_errors.labels(event.where).inc()

    def _job_skipped(self, event: JobSkipped) -> None:
        self._metrics.jobs_skipped.labels(event.job).inc()

    def _callback_failed(self, event: CallbackFailed) -> None:
        self._metrics.callback_errors.labels(event.where).inc()

    def _value_damaged(self, event: ValueDamaged) -> None:
        self._metrics.damaged.labels(event.kind).inc(event.values)

    def _webhook_tried(self, event: Webhook) -> None:
        self._metrics.webhooks.labels(event.outcome).inc()

    def _tenant_unusable(self, event: TenantUnusable) -> None:
        self._metrics.tenants_unusable.labels(event.reason).inc()

    def for_tenant(self, tenant: str) -> Listener:
        """Give the listener of one tenant's events.

        They count in the metrics of all; but what there is one of for each tenant, and what one
        wants to know of each, is in metrics with a label ``tenant``.
        """
        return _TenantListener(self.notify, self._metrics, tenant)

    def _count(self, outcome: str, route: str) -> None:
        counter = self._request_counters.get((outcome, route))
        if counter is None:
            counter = self._metrics.requests.labels(outcome, route)
            self._request_counters[outcome, route] = counter
        counter.inc()


class _TenantListener:
    """Keep the metrics of one tenant's events.

    Args:
        notify: Counts an event in the metrics of all.
        metrics: The metrics.
        tenant: Its name.
    """

    def __init__(self, notify: Callable[[Event], None], metrics: Metrics, tenant: str) -> None:
        self._notify = notify
        self._metrics = metrics
        self._tenant = tenant
        self._requests: dict[str, Counter] = {}

    def notify(self, event: Event) -> None:
        """Count an event."""
        tenant = self._tenant
        if isinstance(event, RequestDecided):
            outcome = event.decision.outcome
            counter = self._requests.get(outcome)
            if counter is None:
                counter = self._metrics.tenant_requests.labels(tenant, outcome)
                self._requests[outcome] = counter
            counter.inc()
        elif isinstance(event, ClientsFlagged):
            self._metrics.tenant_flagged.labels(tenant).set(event.clients)
            return
        elif isinstance(event, ModelLoaded):
            self._metrics.tenant_version.labels(tenant).set(event.version)
            return
        elif isinstance(event, TrainingEnded):
            self._metrics.tenant_trainings.labels(tenant, event.result).inc()
        elif isinstance(event, OF_THE_APP):
            return
        self._notify(event)
