"""Train models, list those that are kept, and put one in force."""

from __future__ import annotations

from typing import Any

from flask_irl.behaviour.features import FEATURES
from flask_irl.errors import ModelError
from flask_irl.limiter.limiter import Limiter
from flask_irl.model.model import Model, load
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.results import ModelEntry, TrainingStart
from flask_irl.training.trainer import Training


class ModelOperations:
    """Train, list and activate models.

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
        self._audit.record(
            who,
            "train",
            str(training.version or ""),
            {"version": before},
            {"version": training.version or before, "result": training.result},
            training.reason,
        )
        return training

    def describe(self) -> dict[str, Any]:
        """Describe the model in force, and the last training of this process."""
        self._limiter.refresh()
        model = self._limiter.trainer.model
        last = self._limiter.trainer.last
        return {
            **_entry(model.version, model, in_force=True),
            "trained": model.version > 0,
            "kind": model.detector.kind,
            "threshold": self._limiter.options.anomaly_threshold,
            "false_flag_rate": self._limiter.options.false_flag_rate,
            "features": [{"name": f.name, "unit": f.unit, "text": f.text} for f in FEATURES],
            "schema": model.schema,
            "versions": self._store.model_versions(),
            "gate": dict(model.report.get("gate", {})),
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

    def versions(self) -> list[ModelEntry]:
        """List the models that are kept, newest first."""
        in_force = self._store.model_version()
        return [
            _entry(version, self._read(version), in_force=version == in_force)
            for version in self._store.model_versions()
        ]

    def activate(self, version: int, who: str) -> ModelEntry | None:
        """Put a kept model in force; None if there is no such version.

        Raises:
            ModelError: The model can't be read.
        """
        if version not in self._store.model_versions():
            return None
        model = self._read(version)
        if model is None:
            raise ModelError(f"model {version} can't be read: it is damaged or of another schema")
        before, after = {"version": self._store.model_version()}, {"version": version}
        self._audit.record(who, "activate_model", str(version), before, after)
        if not self._store.activate(version):
            # A newer model has taken its place meanwhile.
            return None
        self._limiter.refresh()
        return _entry(version, model, in_force=True)

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
            model = load(blob or b"", schema=self._limiter.trainer.model.schema)
        except ModelError:
            return None
        return model if model.version == version else None


def _entry(version: int, model: Model | None, *, in_force: bool) -> ModelEntry:
    if model is None:
        return {"version": version, "readable": False, "in_force": in_force}
    return {
        "version": version,
        "trained_at": model.trained_at or None,
        "rows": model.rows,
        "clients": model.clients,
        "requests": model.requests,
        "advisory": model.advisory,
        "readable": True,
        "in_force": in_force,
    }
