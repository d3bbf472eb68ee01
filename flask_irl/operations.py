"""What an operator can ask and change: the one way in for the admin API and the command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from flask_irl import explain, profile
from flask_irl.errors import ConfigurationError, ModelError, StoreError
from flask_irl.features import FEATURES
from flask_irl.keys import canonical
from flask_irl.limiter import Limiter
from flask_irl.log import event
from flask_irl.model import Model, load
from flask_irl.overrides import MAX_SECONDS, Override
from flask_irl.records import ClientState
from flask_irl.settings import CHANGEABLE, checked, read_settings, write_settings
from flask_irl.trainer import Training

MAX_REASON: Final = 500
MAX_TRIES: Final = 5
ORDERS: Final = ("active", "anomalous", "refused", "flagged")
FEEDBACK: Final = {"good": 1, "abuse": 2}
FEEDBACK_NAMES: Final = {code: name for name, code in FEEDBACK.items()}


class Operations:
    """An operator's view of a limiter, and hands on it; every change is audited.

    Args:
        limiter: The limiter.

    Raises:
        StoreError: By every method, when the store doesn't answer.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._store = limiter.store

    def stats(self) -> dict[str, Any]:
        """The site's counters, and how learning stands."""
        self._limiter.refresh()
        counts = self._store.counts()
        requests, refused = counts.get("requests", 0), counts.get("refused", 0)
        anomalous = counts.get("anomalous", 0)
        model = self._limiter.trainer.model
        return {
            "total_requests": requests,
            "unique_clients": self._store.unique_clients(),
            "endpoints": {
                name.removeprefix("route:"): n
                for name, n in sorted(counts.items(), key=lambda item: -item[1])
                if name.startswith("route:")
            },
            "model_trained": model.version > 0,
            "model_version": model.version,
            "learning": "learning" if not model.version else _learning(model),
            "buffer_size": self._limiter.profiler.waiting(),
            "refused": refused,
            "anomalous": anomalous,
            "hit_rate": refused / requests if requests else 0.0,
            "anomaly_rate": anomalous / requests if requests else 0.0,
            "flagged_clients": self._store.ranked("flagged", 0, 1)[1],
            "mode": self._limiter.mode,
            "store": "memory" if self._store.local else "redis",
            "store_ok": not self._limiter.breaker.is_open,
        }

    def limits(self) -> dict[str, Any]:
        """The limits in force, and what each step leaves of the base limit."""
        self._limiter.refresh()
        options = self._limiter.options
        return {
            "mode": self._limiter.mode,
            "strategy": options.strategy,
            "base_limit": options.base_limit,
            "window_seconds": options.window_seconds,
            "anomaly_threshold": options.anomaly_threshold,
            "anomalous_factor": options.anomalous_factor,
            "steps": [
                {"step": step, "factor": factor, "limit": options.base.at(factor)}
                for step, factor in enumerate(self._limiter.ladder.factors)
            ],
            "default_limits": [str(limit) for limit in options.default_limits],
        }

    def client(self, client: str) -> dict[str, Any] | None:
        """All that is known of a client, and why it scores as it does; None if nothing is."""
        self._limiter.refresh()
        key = canonical(client)
        state = self._store.load([key])[0]
        if state is None:
            return None
        model = self._limiter.trainer.model
        now = self._store.now()
        row = self._limiter.profiler.features_of(state, now)
        record = profile.decode([state.profile])[0]
        return {
            **self._entry(key, state),
            "requests": int(record["total"]),
            "first_seen": float(record["first"]) or state.last_seen,
            "feedback": FEEDBACK_NAMES.get(int(record["feedback"])),
            "override": _override_entry(_in_force(state, now)),
            "features": {
                feature.name: round(float(value), 6)
                for feature, value in zip(FEATURES, row, strict=True)
            },
            "why": explain.as_json(explain.reasons(model, row)),
        }

    def clients(
        self, *, order: str = "active", step: int | None = None, offset: int = 0, limit: int = 50
    ) -> tuple[list[dict[str, Any]], int]:
        """Clients, ranked, and how many the ranking holds.

        Args:
            order: ``active``, ``anomalous``, ``refused`` or ``flagged``.
            step: Only those at this step.
            offset: How many to leave out.
            limit: How many to return at most.
        """
        if order not in ORDERS:
            raise ConfigurationError(f"order is {order!r}: give one of {', '.join(ORDERS)}")
        if step is None:
            names, total = self._store.ranked(order, offset, limit)
            known = self._known(order, names)
            return known, total - (len(names) - len(known))
        # The rankings are short: to count those at a step, look at them all.
        everybody = self._known(order, self._store.ranked(order, 0, 1000)[0])
        chosen = [entry for entry in everybody if entry["step"] == step]
        return chosen[offset : offset + limit], len(chosen)

    def reset(self, client: str, who: str) -> bool:
        """Forget a client: its counts, its profile, its step; whether it was known."""
        key = canonical(client)
        known = self._limiter.forget(key)
        for order in ORDERS:
            self._store.rank(order, {}, [key])
        self._store.bump()
        self._audit(who, "reset", key, before={"known": known})
        return known

    def train(self, who: str) -> Training:
        """Train now."""
        training = self._limiter.train()
        self._audit(who, "train", str(training.version or ""), after={"result": training.result})
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

    def set_override(
        self, client: str, kind: str, *, amount: int, seconds: float, reason: str, who: str
    ) -> dict[str, Any]:
        """Decide about a client oneself, for a time; holds in every worker at once.

        Args:
            client: Known or not.
            kind: ``allow``, ``block`` or ``limit``.
            amount: Requests per window, with ``limit``; else 0.
            seconds: For how long, up to a year.
            reason: Why, for the audit log.
            who: The operator.

        Raises:
            ConfigurationError: A value isn't allowed.
        """
        if not 0 < seconds <= MAX_SECONDS:
            raise ConfigurationError(
                f"seconds is {seconds!r}: give a number above 0, up to {MAX_SECONDS:.0f}"
            )
        if len(reason) > MAX_REASON:
            raise ConfigurationError(f"reason is too long: give at most {MAX_REASON} characters")
        key = canonical(client)
        state = self._store.load([key])[0]
        now = self._store.now()
        override = Override(kind, now + seconds, amount)  # type: ignore[arg-type]
        self._store.set_override(key, override, self._limiter.plans.longest)
        self._limiter.drop_refusals(key)
        self._store.bump()
        entry = {"client": key, **(_override_entry(override) or {}), "reason": reason}
        self._audit(who, "override", key, _override_entry(_in_force(state, now)), entry, reason)
        return entry

    def clear_override(self, client: str, who: str) -> bool:
        """Leave a client to the limiter again; whether an override was in force."""
        key = canonical(client)
        override = _in_force(self._store.load([key])[0], self._store.now())
        if override is None:
            return False
        self._store.set_override(key, None, self._limiter.plans.longest)
        self._limiter.drop_refusals(key)
        self._store.bump()
        self._audit(who, "clear_override", key, before=_override_entry(override))
        return True

    def feedback(self, client: str, verdict: str, who: str) -> bool:
        """Note with a client's profile that it is ``good`` or ``abuse``; False if it isn't known.

        Raises:
            ConfigurationError: The verdict isn't known.
        """
        if verdict not in FEEDBACK:
            raise ConfigurationError(f"verdict is {verdict!r}: give good or abuse")
        key = canonical(client)
        if not self._limiter.profiler.label(key, FEEDBACK[verdict]):
            return False
        self._audit(who, "feedback", key, after={"verdict": verdict})
        return True

    def mode(self) -> str:
        """``enforce``, ``shadow`` or ``off``."""
        self._limiter.refresh()
        return self._limiter.mode

    def set_mode(self, mode: str, who: str) -> dict[str, Any]:
        """Change the mode, in this worker at once and in all others within two seconds.

        Raises:
            ConfigurationError: The mode isn't known.
        """
        before = self.mode()
        self._change(lambda settings: {**settings, **checked({"mode": mode})})
        self._audit(who, "mode", "", {"mode": before}, {"mode": mode})
        return {"mode": mode, "before": before}

    def set_limits(self, changes: Mapping[str, Any], who: str) -> dict[str, Any]:
        """Change limits, in this worker at once and in all others within two seconds.

        Args:
            changes: By option name; None goes back to what is configured.
            who: The operator.

        Raises:
            ConfigurationError: A change isn't allowed; names it.
        """
        if "mode" in changes:
            raise ConfigurationError("mode is no limit: change it by itself")
        new = checked({name: value for name, value in changes.items() if value is not None})
        back = checked_names(name for name, value in changes.items() if value is None)
        self._limiter.refresh()
        before = {name: getattr(self._limiter.options, name) for name in (*new, *back)}
        self._change(
            lambda settings: {n: v for n, v in {**settings, **new}.items() if n not in back}
        )
        after = {name: getattr(self._limiter.options, name) for name in before}
        self._audit(who, "limits", "", before, after)
        return self.limits()

    def audit(self, *, offset: int = 0, limit: int = 50) -> tuple[list[dict[str, Any]], int]:
        """The changes made, newest first, and how many are kept."""
        entries, total = self._store.audit(offset, limit)
        return [json.loads(entry) for entry in entries], total

    def _change(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change the settings made at run time; others may do the same meanwhile."""
        for _ in range(MAX_TRIES):
            revision, stored = self._store.settings()
            settings = change(read_settings(stored))
            if self._store.put_settings(revision, write_settings(settings)):
                self._store.bump()
                self._limiter.refresh()
                return
        raise StoreError("others change the settings at this moment", kind="response")

    def _audit(
        self,
        who: str,
        action: str,
        target: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        entry = {
            "at": self._store.now(),
            "who": who,
            "action": action,
            "target": target,
            "before": before,
            "after": after,
            "reason": reason,
        }
        self._store.add_audit(json.dumps(entry).encode())
        event(logging.INFO, "admin_change", who=who, action=action, target=target)

    def _read(self, version: int) -> Model | None:
        """A kept model as every worker would load it; None if they would refuse it."""
        blob = self._store.model(version)
        try:
            model = load(blob or b"", schema=self._limiter.trainer.model.schema)
        except ModelError:
            return None
        return model if model.version == version else None

    def _known(self, order: str, names: list[str]) -> list[dict[str, Any]]:
        """The entries of ranked clients; those that are forgotten meanwhile leave the ranking."""
        states = self._store.load(names) if names else []
        gone = [n for n, state in zip(names, states, strict=True) if state is None]
        if gone:
            self._store.rank(order, {}, gone)
        return [
            self._entry(name, state)
            for name, state in zip(names, states, strict=True)
            if state is not None
        ]

    def _entry(self, key: str, state: ClientState) -> dict[str, Any]:
        factors = self._limiter.ladder.factors
        factor = factors[min(state.step, len(factors) - 1)]
        record = profile.decode([state.profile])
        n = max(float(profile.sums_of(record, "n")[0]), 1e-3)
        return {
            "client": key,
            "step": state.step,
            "factor": factor,
            "limit": self._limiter.options.base.at(factor),
            "score": round(state.score, 4),
            "is_anomalous": state.step > 0,
            "last_seen": state.last_seen,
            "requests_per_minute": round(float(profile.sums_of(record, "recent")[0]), 3),
            "refused_share": round(min(float(profile.sums_of(record, "refused")[0]) / n, 1.0), 4),
        }


def checked_names(names: Iterable[str]) -> set[str]:
    """Names of settings that may be changed; raises :class:`ConfigurationError` for others."""
    found = set(names)
    for name in found - set(CHANGEABLE):
        raise ConfigurationError(
            f"{name!r} can't be changed at run time: only {', '.join(CHANGEABLE)} can"
        )
    return found


def _learning(model: Model) -> str:
    return "advisory" if model.advisory else "active"


def _model_entry(model: Model) -> dict[str, Any]:
    return {
        "version": model.version,
        "trained_at": model.trained_at or None,
        "rows": model.rows,
        "clients": model.clients,
        "requests": model.requests,
        "advisory": model.advisory,
    }


def _in_force(state: ClientState | None, now: float) -> Override | None:
    """A client's override, unless it has ended: a store may keep it for longer."""
    override = None if state is None else state.override
    return override if override is not None and override.until > now else None


def _override_entry(override: Override | None) -> dict[str, Any] | None:
    if override is None:
        return None
    return {"kind": override.kind, "until": override.until, "amount": override.amount}
