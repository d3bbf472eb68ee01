"""Look at the site as a whole, and change its limits and its mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_irl.behaviour.site_counts import route_counts
from flask_irl.config.runtime import (
    CHANGEABLE,
    apply_settings,
    check_settings,
    read_settings,
)
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.results import Limits, ModeChange, PinOfSite, Stats
from flask_irl.operations.settings import Change, Settings, change_settings
from flask_irl.operations.status import learning


class SiteOperations:
    """Count the site's traffic, and change settings at run time.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._audit = audit

    def stats(self) -> Stats:
        """Count the site's traffic, and describe the state of learning."""
        self._limiter.refresh()
        counts = self._store.counts()
        requests, refused = counts.get("requests", 0), counts.get("refused", 0)
        anomalous = counts.get("anomalous", 0)
        share = refused / requests if requests else 0.0
        model = self._limiter.trainer.model
        return {
            **self._pin(),
            "total_requests": requests,
            "unique_clients": self._store.unique_clients(),
            "endpoints": dict(sorted(route_counts(counts).items(), key=lambda item: -item[1])),
            "model_trained": model.version > 0,
            "model_version": model.version,
            "learning": learning(model),
            "buffer_size": self._limiter.profiler.waiting(),
            "waiting": self._limiter.profiler.waiting_total(),
            "refused": refused,
            "anomalous": anomalous,
            "refused_share": share,
            "hit_rate": share,
            "anomaly_rate": anomalous / requests if requests else 0.0,
            "flagged_clients": self._store.ranked("flagged", 0, 1)[1],
            "mode": self._limiter.mode,
            "store": "memory" if self._store.local else "redis",
            "store_ok": not self._limiter.breaker.is_open,
        }

    def limits(self) -> Limits:
        """Describe the limits in force, and the base limit at each step."""
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
                {"step": step, "factor": factor, "limit": options.base_at(factor)}
                for step, factor in enumerate(self._limiter.ladder.factors)
            ],
            "default_limits": [str(limit) for limit in options.default_limits],
            "application_limits": [str(limit) for limit in options.application_limits],
            "meta_limits": [str(limit) for limit in options.meta_limits],
            "exempt": list(options.exempt),
            "limits": {
                pattern: [str(limit) for limit in limits]
                for pattern, limits in options.limits.items()
            },
        }

    def set_limits(self, changes: Mapping[str, Any], who: str) -> Limits:
        """Change limits, in this worker at once and in all others within two seconds.

        Args:
            changes: New values by option name; None goes back to the configured one.
            who: The operator.

        Raises:
            ConfigurationError: A change isn't allowed; names it.
        """
        if "mode" in changes:
            raise ConfigurationError("mode is not a limit: it has a command of its own")
        new = check_settings({name: value for name, value in changes.items() if value is not None})
        back = _checked_names(name for name, value in changes.items() if value is None)

        def change(settings: Settings) -> Settings:
            return {n: v for n, v in {**settings, **new}.items() if n not in back}

        self._limiter.refresh()
        names = (*new, *back)
        settings = change(read_settings(self._store.settings()[1]))
        target = apply_settings(self._limiter.configured, settings)
        before = {name: getattr(self._limiter.options, name) for name in names}
        after = {name: getattr(target, name) for name in names}
        self._audit.record(who, "limits", "", before, after)
        self._change(change)
        return self.limits()

    def mode(self) -> str:
        """Give the mode: ``enforce``, ``shadow`` or ``off``."""
        self._limiter.refresh()
        return self._limiter.mode

    def set_mode(self, mode: str, who: str) -> ModeChange:
        """Change the mode, in this worker at once and in all others within two seconds.

        Raises:
            ConfigurationError: There is no such mode.
        """
        after = check_settings({"mode": mode})
        before = self.mode()
        self._audit.record(who, "mode", "", {"mode": before}, after)
        self._change(lambda settings: {**settings, **after})
        return {"mode": mode, "before": before}

    def _pin(self) -> PinOfSite:
        """Describe the pin that this worker has just taken up."""
        pin = self._limiter.trainer.in_force.pin
        if pin is None:
            return {"model_pinned": None, "model_pinned_until": None}
        return {"model_pinned": pin.version, "model_pinned_until": pin.until or None}

    def _change(self, change: Change) -> None:
        change_settings(self._limiter, change)


def _checked_names(names: Iterable[str]) -> set[str]:
    """Check that settings may be changed at run time.

    Raises:
        ConfigurationError: One may not.
    """
    result = set(names)
    for name in result - set(CHANGEABLE):
        raise ConfigurationError(
            f"{name!r} can't be changed at run time: only {', '.join(CHANGEABLE)} can"
        )
    return result
