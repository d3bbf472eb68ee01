"""What was learned: training, the models kept, and which is in force."""

from __future__ import annotations

from typing import Any

from flask_irl.behaviour.features import FEATURES
from flask_irl.errors import ModelError
from flask_irl.model.model import Model, load
from flask_irl.operations.hands import Hands
from flask_irl.training.trainer import Training


class ModelOperations(Hands):
    """Hands on the models."""

    def start_training(self, who: str) -> dict[str, Any]:
        """Start a training in the background, and return at once.

        Raises:
            TrainingRefused: There is too little to learn from, or a training runs already.
        """
        before, now = self._store.model_version(), self._store.now()
        self._limiter.start_training()
        self._audit(who, "train", "", {"version": before}, {"result": "started"})
        return {"result": "started", "version": before, "at": now}

    def train(self, who: str) -> Training:
        """Train now, and wait for the end."""
        before = self._store.model_version()
        training = self._limiter.train()
        self._audit(
            who,
            "train",
            str(training.version or ""),
            {"version": before},
            {"version": training.version or before, "result": training.result},
            training.reason,
        )
        return training

    def model_info(self) -> dict[str, Any]:
        """The model in force, and the last training."""
        self._limiter.refresh()
        model = self._limiter.trainer.model
        last = self._limiter.trainer.last
        return {
            **_model_entry(model),
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

    def models(self) -> list[dict[str, Any]]:
        """The models kept, newest first."""
        in_force = self._store.model_version()
        entries = []
        for version in self._store.model_versions():
            model = self._read(version)
            entry = (
                {"version": version, "readable": False}
                if model is None
                else {**_model_entry(model), "readable": True}
            )
            entries.append({**entry, "in_force": version == in_force})
        return entries

    def activate(self, version: int, who: str) -> dict[str, Any] | None:
        """Put a kept model in force; None if there is no such version.

        Raises:
            ModelError: The model can't be read.
        """
        if version not in self._store.model_versions():
            return None
        model = self._read(version)
        if model is None:
            raise ModelError(f"model {version} can't be read: it is damaged or of another schema")
        before = self._store.model_version()
        if not self._store.activate(version):
            # Dropped meanwhile, for a newer one.
            return None
        self._limiter.refresh()
        self._audit(who, "activate_model", str(version), {"version": before}, {"version": version})
        return {**_model_entry(model), "readable": True, "in_force": True}

    def _read(self, version: int) -> Model | None:
        """A kept model as every worker would load it; None if they would refuse it."""
        blob = self._store.model(version)
        try:
            model = load(blob or b"", schema=self._limiter.trainer.model.schema)
        except ModelError:
            return None
        return model if model.version == version else None


def _model_entry(model: Model) -> dict[str, Any]:
    return {
        "version": model.version,
        "trained_at": model.trained_at or None,
        "rows": model.rows,
        "clients": model.clients,
        "requests": model.requests,
        "advisory": model.advisory,
    }
