"""Describe the site on one screen: for whoever is on call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypedDict

from flask_irl.config.runtime import plain_settings, read_settings
from flask_irl.config.values import OFF
from flask_irl.errors import StoreError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limiter.presence import read_report
from flask_irl.model.model import Model
from flask_irl.operations.clients import ClientOperations
from flask_irl.operations.models import shared_note
from flask_irl.operations.rates import Rates, read_rates
from flask_irl.operations.results import ClientCounts
from flask_irl.telemetry.damage import DamageLog
from flask_irl.training.last import read_last


class StoreStatus(TypedDict):
    """Describe the store; what it doesn't tell is None."""

    kind: str
    address: str
    answers: bool
    counts_requests: bool
    error: str | None
    milliseconds: float | None
    version: str | None
    memory_used_bytes: int | None
    memory_limit_bytes: int | None
    policy: str | None
    nodes_out: list[str]


class Change(TypedDict):
    """Describe a setting that was changed at run time."""

    configured: Any
    in_force: Any


class RollbackStatus(TypedDict):
    """Describe a rollback: a version is pinned, and the newest that is kept stays aside.

    It ends at a time, in seconds since the epoch, or lasts until it is taken back (None).
    """

    version: int
    newest: int
    until: float | None


class Workers(TypedDict):
    """Describe the processes that told of themselves within half a minute."""

    seen: int
    names: list[str]


class KnownStatus(TypedDict):
    """Describe what a process knows by itself."""

    tenant: str
    mode: str
    strategy: str
    base_limit: str
    breaker: str


class Status(KnownStatus):
    """Describe the site; while the store doesn't answer, what only it knows is None."""

    store: StoreStatus
    now: Rates | None
    hour_ago: Rates | None
    clients: ClientCounts | None
    changed: dict[str, Change] | None
    model_version: int | None
    model_trained_at: float | None
    model_age_seconds: float | None
    model_advisory: bool | None
    model_shared: str | None
    learning: str | None
    rollback: RollbackStatus | None
    crowd_guard: bool | None
    last_training: dict[str, Any] | None
    training_rows: int | None
    workers: Workers | None
    total_requests: int | None
    refused: int | None
    refused_share: float | None
    hit_rate: float | None


class StatusOperations:
    """Describe the site: its traffic, its store, and all that is out of the ordinary.

    Args:
        limiter: The limiter.
        clients: Lists clients.
        stopwatch: Seconds of a clock that is never set.
    """

    def __init__(
        self,
        limiter: Limiter,
        clients: ClientOperations,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._clients = clients
        self._stopwatch = stopwatch
        self._reports = DamageLog("worker", "worker_report_damaged", limiter.notify)
        self._notes = DamageLog("training", "training_note_damaged", limiter.notify)

    def read(self) -> Status:
        """Read all of it; of a store that doesn't answer, that and what is known without it."""
        try:
            return self._read()
        except StoreError as error:
            return self._without_store(error)

    def _read(self) -> Status:
        store = self._ask_store()
        self._limiter.refresh()
        now, hour_ago = read_rates(self._store)
        counts = self._store.counts()
        requests, refused = counts.get("requests", 0), counts.get("refused", 0)
        share = refused / requests if requests else 0.0
        model = self._limiter.trainer.model
        age = max(0.0, self._store.now() - model.trained_at) if model.version else None
        reports = {
            name: read_report(r, self._reports.tell) for name, r in self._store.workers().items()
        }
        guards = [report.get("crowd_guard") is True for report in reports.values()]
        return {
            "store": store,
            "now": now,
            "hour_ago": hour_ago,
            "clients": self._clients.count_held(),
            **self._known(),
            "changed": self._changed(),
            "model_version": model.version,
            "model_trained_at": model.trained_at,
            "model_age_seconds": None if age is None else round(age, 1),
            "model_advisory": model.advisory,
            "model_shared": shared_note(self._limiter),
            "learning": learning(model),
            "rollback": rollback(self._limiter),
            "crowd_guard": self._limiter.profiler.guarding or any(guards),
            "last_training": read_last(self._store, self._notes.tell),
            "training_rows": self._store.row_count(),
            "workers": {"seen": len(reports), "names": sorted(reports)},
            "total_requests": requests,
            "refused": refused,
            "refused_share": share,
            "hit_rate": share,
        }

    def _known(self) -> KnownStatus:
        """Describe what this process knows by itself."""
        options = self._limiter.options
        return {
            "tenant": self._limiter.tenant,
            "mode": self._limiter.mode,
            "strategy": options.strategy,
            "base_limit": OFF if options.base is None else str(options.base),
            "breaker": "open" if self._limiter.breaker.is_open else "closed",
        }

    def _without_store(self, error: StoreError) -> Status:
        model = self._limiter.trainer.model
        known: Any = dict.fromkeys(Status.__annotations__)
        known |= self._known()
        known["store"] = self._store_status(answers=False, error=str(error))
        if model.version:
            known |= {
                "model_version": model.version,
                "model_trained_at": model.trained_at,
                "model_advisory": model.advisory,
                "learning": learning(model),
            }
        status: Status = known
        return status

    def _ask_store(self) -> StoreStatus:
        # The first question may have to connect: the second one tells how fast it answers.
        self._store.ping()
        began = self._stopwatch()
        self._store.revisions()
        took = self._stopwatch() - began
        server = self._store.server()
        return {
            **self._store_status(answers=True, error=self._refusal()),
            "milliseconds": round(took * 1000, 3),
            "version": server.version,
            "memory_used_bytes": server.memory_used,
            "memory_limit_bytes": server.memory_limit,
            "policy": server.policy,
            "nodes_out": list(server.silent),
        }

    def _refusal(self) -> str | None:
        """Ask whether the store counts requests; one that is full or a replica only answers."""
        if self._store.local:
            return None
        try:
            self._limiter.failures.probe()
        except StoreError as error:
            # This process may be further away than the workers, which the time-out is meant for.
            return str(error) if error.kind == "response" else None
        return None

    def _store_status(self, *, answers: bool, error: str | None) -> StoreStatus:
        return {
            "kind": self._store.kind,
            "address": self._store.address,
            "answers": answers,
            "counts_requests": error is None,
            "error": error,
            "milliseconds": None,
            "version": None,
            "memory_used_bytes": None,
            "memory_limit_bytes": None,
            "policy": None,
            "nodes_out": [],
        }

    def _changed(self) -> dict[str, Change]:
        settings = read_settings(self._store.settings()[1])
        configured, in_force = (
            plain_settings({name: getattr(options, name) for name in settings})
            for options in (self._limiter.configured, self._limiter.options)
        )
        changed: dict[str, Change] = {
            name: {"configured": configured[name], "in_force": in_force[name]} for name in settings
        }
        return {n: c for n, c in changed.items() if c["configured"] != c["in_force"]}


def learning(model: Model) -> str:
    """Tell how far learning is: ``learning``, ``advisory`` or ``active``."""
    if not model.version:
        return "learning"
    return "advisory" if model.advisory else "active"


def rollback(limiter: Limiter) -> RollbackStatus | None:
    """Describe the rollback in force, None for none, as this worker has just taken it up."""
    pin = limiter.trainer.in_force.pin
    if pin is None:
        return None
    newest = max(limiter.store.model_versions(), default=pin.version)
    return {"version": pin.version, "newest": newest, "until": pin.until or None}
