"""An operator's side without a limiter behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_irl.errors import ConfigurationError, ModelError, TrainingRefused
from flask_irl.operations import Operations

NOW = 1_750_000_000.0
KNOWN = "203.0.113.7"
DAMAGED_MODEL = 5


class FakeOperations(Operations):
    """Keeps what it is told in memory.

    Attributes:
        asked: The names of the operations that were called, in order.
        known: The clients that are known.
        error: Raised by every operation, if there is one.
        refusal: Why no training can be started; empty if one can.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known: set[str] = {KNOWN}
        self.error: Exception | None = None
        self.refusal = ""
        self._mode = "enforce"
        self._limits: dict[str, Any] = {"base_limit": 100, "window_seconds": 60}
        self._overrides: dict[str, dict[str, Any]] = {}
        self._feedback: dict[str, str] = {}
        self._in_force = 7
        self._audit_log: list[dict[str, Any]] = []

    def stats(self) -> dict[str, Any]:
        self._ask("stats")
        return {
            "total_requests": 1200,
            "unique_clients": len(self.known),
            "endpoints": {"/api/data": 1200},
            "model_trained": True,
            "model_version": self._in_force,
            "learning": "active",
            "buffer_size": {KNOWN: 12},
            "refused": 60,
            "anomalous": 90,
            "hit_rate": 0.05,
            "anomaly_rate": 0.075,
            "flagged_clients": 1,
            "mode": self._mode,
            "store": "memory",
            "store_ok": True,
        }

    def limits(self) -> dict[str, Any]:
        self._ask("limits")
        base = self._limits["base_limit"]
        return {
            "mode": self._mode,
            "strategy": "fixed-window",
            "anomaly_threshold": -0.5,
            "anomalous_factor": 0.3,
            "further_factors": [0.1, 0.0],
            "steps": [{"step": 0, "factor": 1.0, "limit": base}],
            "default_limits": ["5 per 1 seconds"],
            **self._limits,
        }

    def client(self, client: str) -> dict[str, Any] | None:
        self._ask("client")
        if client not in self.known:
            return None
        return {
            **self._listed(client),
            "factor": 0.3,
            "is_anomalous": True,
            "requests": 871,
            "first_seen": NOW - 600,
            "feedback": self._feedback.get(client),
            "override": self._overrides.get(client),
            "listed": None,
            "features": {"new_paths": 41.0},
            "rules": ["fails to log in again and again"],
            "why": [
                {
                    "feature": "new_paths",
                    "value": 41.0,
                    "median": 0.5,
                    "high": 3.0,
                    "effect": 0.3,
                    "sentence": "asks for 41 new paths a minute; usual is 0.5, for 95 % at most 3",
                }
            ],
        }

    def clients(
        self, *, order: str = "active", step: int | None = None, offset: int = 0, limit: int = 50
    ) -> tuple[list[dict[str, Any]], int]:
        self._ask("clients")
        everybody = [self._listed(client) for client in sorted(self.known)]
        chosen = [entry for entry in everybody if step in (None, entry["step"])]
        return chosen[offset : offset + limit], len(chosen)

    def reset(self, client: str, who: str) -> bool:
        self._ask("reset")
        known = client in self.known
        self.known.discard(client)
        self._note(who, "reset", client)
        return known

    def start_training(self, who: str) -> dict[str, Any]:
        self._ask("train")
        if self.refusal:
            raise TrainingRefused(self.refusal)
        self._note(who, "train", "")
        return {"result": "started", "version": self._in_force, "at": NOW}

    def model_info(self) -> dict[str, Any]:
        self._ask("model_info")
        return {
            **self._model(self._in_force),
            "trained": True,
            "kind": "isolation_forest",
            "threshold": -0.5,
            "false_flag_rate": 0.002,
            "features": [{"name": "new_paths", "unit": "1/min", "text": "new paths"}],
            "schema": "1f2e3d4c",
            "gate": {"flagged_share": 0.004, "allowed_share": 0.05},
            "last_training": {
                "result": "accepted",
                "reason": "",
                "at": NOW,
                "seconds": 1.5,
                "version": 7,
                "rows": 500,
                "clients": 40,
                "requests": 5000,
            },
        }

    def models(self) -> list[dict[str, Any]]:
        self._ask("models")
        damaged = {"version": DAMAGED_MODEL, "readable": False, "in_force": False}
        return [self._model(7), self._model(6), damaged]

    def activate(self, version: int, who: str) -> dict[str, Any] | None:
        self._ask("activate")
        if version == DAMAGED_MODEL:
            raise ModelError(f"model {version} can't be read: its checksum is wrong")
        if version not in (6, 7):
            return None
        self._in_force = version
        self._note(who, "activate_model", str(version))
        return self._model(version)

    def set_override(
        self, client: str, kind: str, *, amount: int, seconds: float, reason: str, who: str
    ) -> dict[str, Any]:
        self._ask("set_override")
        self.known.add(client)
        entry = {"kind": kind, "until": NOW + seconds, "amount": amount}
        self._note(who, "override", client, after=entry, reason=reason)
        self._overrides[client] = {**entry, "reason": reason, "who": who}
        return {"client": client, **self._overrides[client]}

    def clear_override(self, client: str, who: str) -> bool:
        self._ask("clear_override")
        return self._overrides.pop(client, None) is not None

    def feedback(self, client: str, verdict: str, who: str) -> bool:
        self._ask("feedback")
        if client not in self.known:
            return False
        self._feedback[client] = verdict
        self._note(who, "feedback", client, after={"verdict": verdict})
        return True

    def mode(self) -> str:
        self._ask("mode")
        return self._mode

    def set_mode(self, mode: str, who: str) -> dict[str, Any]:
        self._ask("set_mode")
        before, self._mode = self._mode, mode
        self._note(who, "mode", "", {"mode": before}, {"mode": mode})
        return {"mode": mode, "before": before}

    def set_limits(self, changes: Mapping[str, Any], who: str) -> dict[str, Any]:
        self._ask("set_limits")
        if changes.get("base_limit") == 666:
            raise ConfigurationError("base_limit is 666, which is not allowed: give another")
        self._limits.update({k: v for k, v in changes.items() if isinstance(v, int | list)})
        self._note(who, "limits", "", after=changes)
        return self.limits()

    def audit(self, *, offset: int = 0, limit: int = 50) -> tuple[list[dict[str, Any]], int]:
        self._ask("audit")
        return self._audit_log[offset : offset + limit], len(self._audit_log)

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if self.error is not None:
            raise self.error

    def _note(
        self,
        who: str,
        action: str,
        target: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        entry = {"at": NOW, "who": who, "action": action, "target": target, "reason": reason}
        self._audit_log.insert(0, {**entry, "before": before, "after": after})

    def _listed(self, client: str) -> dict[str, Any]:
        return {
            "client": client,
            "step": 1,
            "limit": 30,
            "score": -0.7,
            "override": self._overrides.get(client, {}).get("kind"),
            "requests_per_minute": 212.5,
            "refused_share": 0.6,
            "last_seen": NOW,
        }

    def _model(self, version: int) -> dict[str, Any]:
        return {
            "version": version,
            "trained_at": NOW,
            "rows": 500,
            "clients": 40,
            "requests": 5000,
            "advisory": False,
            "readable": True,
            "in_force": version == self._in_force,
        }
