"""The site as a whole: its figures, its limits and its mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from flask_irl.config.runtime import CHANGEABLE, check_settings, read_settings, write_settings
from flask_irl.errors import ConfigurationError, StoreError
from flask_irl.model.model import Model
from flask_irl.operations.hands import Hands

MAX_TRIES: Final = 5


class SiteOperations(Hands):
    """Hands on the whole site."""

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
            "further_factors": list(options.further_factors),
            "steps": [
                {"step": step, "factor": factor, "limit": options.base.at(factor)}
                for step, factor in enumerate(self._limiter.ladder.factors)
            ],
            "default_limits": [str(limit) for limit in options.default_limits],
        }

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
        new = check_settings({name: value for name, value in changes.items() if value is not None})
        back = checked_names(name for name, value in changes.items() if value is None)
        self._limiter.refresh()
        before = {name: getattr(self._limiter.options, name) for name in (*new, *back)}
        self._change(
            lambda settings: {n: v for n, v in {**settings, **new}.items() if n not in back}
        )
        after = {name: getattr(self._limiter.options, name) for name in before}
        self._audit(who, "limits", "", before, after)
        return self.limits()

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
        self._change(lambda settings: {**settings, **check_settings({"mode": mode})})
        self._audit(who, "mode", "", {"mode": before}, {"mode": mode})
        return {"mode": mode, "before": before}

    def _change(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change the settings made at run time; others may do the same meanwhile."""
        for _ in range(MAX_TRIES):
            revision, stored = self._store.settings()
            settings = change(read_settings(stored))
            if self._store.put_settings(revision, write_settings(settings)):
                self._store.advance_epoch()
                self._limiter.refresh()
                return
        raise StoreError("others change the settings at this moment", kind="response")


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
