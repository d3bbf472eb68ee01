"""Train models, list those that are kept, put one in force and pin it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from flask_irl.behaviour.features import FEATURES
from flask_irl.errors import ConfigurationError, ModelError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.override import MAX_SECONDS, check_seconds
from flask_irl.model.model import Model
from flask_irl.operations.audit import AuditLog, check_reason
from flask_irl.operations.realised import RealisedRate, realised_rate
from flask_irl.operations.results import (
    FeatureUse,
    ModelEntry,
    PinState,
    RollbackResult,
    TrainingStart,
    UnpinResult,
)
from flask_irl.stores.site import Pin, Revisions
from flask_irl.telemetry.log import moment
from flask_irl.training.reading import read_model
from flask_irl.training.trainer import Training

ROLLBACK: Final = "rollback"
"""Name of the action in the audit log."""


class ModelOperations:
    """Train, list, pin and unpin models.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._audit = audit

    def start_training(self, who: str) -> TrainingStart:
        """Start a training in the background, and return at once.

        Raises:
            TrainingRefused: There is too little to learn from, or a training runs already.
        """
        before = self._record_start(who)
        now = self._store.now()
        self._limiter.start_training()
        return {"result": "started", "version": before, "at": now}

    def train(self, who: str) -> Training:
        """Train now, and wait for the end; the audit log has the start and the result."""
        before = self._record_start(who)
        training = self._limiter.train()
        after = training.version if training.result == "accepted" else before
        self._audit.record(
            who,
            "train",
            str(training.version or ""),
            {"version": before},
            {"version": after, "result": training.result},
            training.reason,
        )
        return training

    def describe(self) -> dict[str, Any]:
        """Describe the model in force, and the last training of this process."""
        self._limiter.refresh()
        model = self._limiter.trainer.model
        last = self._limiter.trainer.last
        pinned = self.pinned()
        shared = shared_note(self._limiter)
        # What a shared model was trained on is of other tenants, too.
        rows, clients, requests = (
            (model.rows, model.clients, model.requests) if shared is None else (0, 0, 0)
        )
        return {
            "version": model.version,
            "trained_at": model.trained_at or None,
            "rows": rows,
            "clients": clients,
            "requests": requests,
            "advisory": model.advisory,
            "trained": model.version > 0,
            "shared": shared,
            "pinned": pinned,
            "kind": model.detector.kind,
            "threshold": self._limiter.options.anomaly_threshold,
            "false_flag_rate": self._limiter.options.false_flag_rate,
            "features": [{"name": f.name, "unit": f.unit, "text": f.text} for f in FEATURES],
            "schema": model.schema,
            "versions": self._store.model_versions(),
            "gate": {} if shared else dict(model.report.get("gate", {})),
            "last_training": None
            if last is None
            else {
                "result": last.result,
                "reason": last.reason,
                "at": last.at,
                "seconds": round(last.seconds, 3),
                "version": last.version,
                "rows": last.rows,
                "clients": last.clients,
                "requests": last.requests,
            },
        }

    def realised(self) -> RealisedRate:
        """Tell the calibration's target beside the rate of the last day."""
        return realised_rate(self._limiter)

    def features_in_use(self) -> list[FeatureUse]:
        """List the features by which the model in force tells clients apart, most used first."""
        self._limiter.refresh()
        model = self._limiter.trainer.model
        counts = np.zeros(len(FEATURES), dtype=np.int64)
        for name, nodes in model.detector.to_arrays().items():
            if name.endswith("feature") and len(model.features) == len(FEATURES):
                counts += np.bincount(nodes[nodes >= 0], minlength=len(FEATURES))
        total = max(int(counts.sum()), 1)
        found: list[FeatureUse] = [
            {"name": f.name, "text": f.text, "unit": f.unit, "share": round(count / total, 4)}
            for f, count in zip(FEATURES, counts.tolist(), strict=True)
            if count
        ]
        return sorted(found, key=lambda use: -use["share"])

    def versions(self) -> list[ModelEntry]:
        """List the models that are kept, newest first."""
        news, now = self._store.revisions(), self._store.now()
        return [
            _entry(version, self._read(version), news, now)
            for version in self._store.model_versions()
        ]

    def rollback(
        self,
        version: int,
        who: str,
        *,
        seconds: float | None = None,
        until: float | None = None,
        reason: str = "",
    ) -> RollbackResult | None:
        """Put a kept model in force and pin it; None if there is no such version.

        Until the pin ends, trainings go on, and their models are kept aside.

        Args:
            version: The model's version.
            who: The operator.
            seconds: Time until the pin ends, above 0, up to a year; None for no end.
            until: End of the pin in seconds since the epoch, instead of ``seconds``.
            reason: The operator's reason, for the audit log.

        Raises:
            ConfigurationError: A value isn't allowed; names it.
            ModelError: The model can't be read.
        """
        check_reason(reason)
        now = self._store.now()
        end = _end_of(now, seconds, until)
        if version not in self._store.model_versions():
            return None
        model = self._read(version)
        if model is None:
            raise ModelError(f"model {version} can't be read: it is damaged or of another schema")
        after = {"version": version, "pinned": version, "until": end}
        before = _state_of(self._store.revisions())
        self._audit.record(who, ROLLBACK, str(version), before, after, reason)
        if not self._store.pin(version, end or 0.0):
            # Newer models have taken its place meanwhile.
            return None
        self._limiter.refresh()
        pinned = Revisions(version, 0, 0, pin=Pin(version))
        return {**_entry(version, model, pinned, now), "until": end, "reason": reason}

    def unpin(self, who: str, reason: str = "") -> UnpinResult | None:
        """Take the pin back, so that the next training publishes again; None if there is none.

        Raises:
            ConfigurationError: The reason is too long.
        """
        check_reason(reason)
        news = self._store.revisions()
        if news.pin is None:
            return None
        after = {"version": news.model, "pinned": None}
        self._audit.record(who, "unpin", str(news.pin.version), _state_of(news), after, reason)
        self._store.unpin()
        self._limiter.refresh()
        return {"version": news.pin.version, "unpinned": True}

    def in_force(self) -> dict[str, float | None]:
        """Describe version and pin in force, as the audit log does."""
        return _state_of(self._store.revisions())

    def pinned(self) -> PinState | None:
        """Describe the pin in force, with its author while the audit log has the entry."""
        pin = self._store.revisions().pin
        if pin is None:
            return None
        target = str(pin.version)
        entry = self._audit.latest_of(ROLLBACK, [target]).get(target)
        return {
            "version": pin.version,
            "until": pin.until or None,
            "who": entry and entry["who"],
            "reason": entry["reason"] if entry else "",
        }

    def _record_start(self, who: str) -> int:
        """Record the start of a training, and give the version in force."""
        # A process that has just begun knows neither the model nor the settings.
        self._limiter.refresh()
        version = self._store.model_version()
        self._audit.record(who, "train", "", {"version": version}, {"result": "started"})
        return version

    def _read(self, version: int) -> Model | None:
        """Read a kept model as every worker would; None if workers would refuse it."""
        blob = self._store.model(version)
        try:
            model = read_model(blob or b"")
        except ModelError:
            return None
        return model if model.version == version else None


def shared_note(limiter: Limiter) -> str | None:
    """Tell that a tenant's clients are judged by the shared model, and why; None if they aren't.

    Raises:
        StoreError: The store failed.
    """
    trainer = limiter.trainer
    if not trainer.uses_shared:
        return None
    rows = limiter.store.row_count()
    return f"shared model: this tenant has {rows} of {trainer.min_rows} rows"


def _entry(version: int, model: Model | None, news: Revisions, now: float) -> ModelEntry:
    in_force = version == news.model
    pinned = news.pin is not None and version == news.pin.version
    if model is None:
        return {"version": version, "readable": False, "in_force": in_force, "pinned": pinned}
    share = model.report.get("gate", {}).get("flagged_share")
    return {
        "version": version,
        "trained_at": model.trained_at or None,
        "age_seconds": max(0.0, now - model.trained_at),
        "kind": model.detector.kind,
        "rows": model.rows,
        "clients": model.clients,
        "requests": model.requests,
        "flagged_share": share,
        "advisory": model.advisory,
        "readable": True,
        "in_force": in_force,
        "pinned": pinned,
    }


def _state_of(news: Revisions) -> dict[str, float | None]:
    """Describe version and pin in force, for the audit log."""
    if news.pin is None:
        return {"version": news.model, "pinned": None}
    return {"version": news.model, "pinned": news.pin.version, "until": news.pin.until or None}


def _end_of(now: float, seconds: float | None, until: float | None) -> float | None:
    """Give the end of a pin, in seconds since the epoch; None for no end."""
    if seconds is not None:
        check_seconds(seconds)
        return now + seconds
    if until is not None and not now < until <= now + MAX_SECONDS:
        raise ConfigurationError(
            f"until is {moment(until)}: give a time to come, at most "
            f"{MAX_SECONDS / 86_400:.0f} days from now"
        )
    return until
