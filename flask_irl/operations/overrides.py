"""Override the limits and the model for single clients."""

from __future__ import annotations

from typing import Final, cast

from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.keys import canonical
from flask_irl.limits.override import MAX_SECONDS, Kind, Override
from flask_irl.operations.audit import AuditLog, check_reason
from flask_irl.operations.results import ClientOverride, OverrideResult, OverrideState
from flask_irl.stores.state import ClientState

OVERRIDDEN: Final = "overridden"
"""Name of the ranking of clients with an override, by the override's end."""


class OverrideOperations:
    """Set, clear and look up operators' overrides.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._audit = audit

    def set(
        self, client: str, kind: str, *, amount: int, seconds: float, reason: str, who: str
    ) -> ClientOverride:
        """Allow, block or limit a client for a time; holds in every worker at once.

        Args:
            client: The client's id or key, known to the store or not.
            kind: ``allow``, ``block`` or ``limit``.
            amount: Requests per window, with ``limit``; else 0.
            seconds: The time until the override ends, up to a year.
            reason: The operator's reason, for the audit log.
            who: The operator.

        Raises:
            ConfigurationError: A value isn't allowed.
        """
        if not 0 < seconds <= MAX_SECONDS:
            raise ConfigurationError(
                f"seconds is {seconds!r}: give a number above 0, up to {MAX_SECONDS:.0f}"
            )
        check_reason(reason)
        key = canonical(client)
        state = self._store.load([key])[0]
        now = self._store.now()
        override = Override(cast(Kind, kind), now + seconds, amount)
        after = _state_of(override)
        current = active_override(state, now)
        before = None if current is None else _state_of(current)
        self._audit.record(who, "override", key, before, after, reason)
        self._store.set_override(key, override, self._limiter.plans.longest)
        self._store.rank(OVERRIDDEN, {key: override.until})
        self._limiter.drop_refusals(key)
        self._store.advance_epoch()
        return {"client": key, **after, "reason": reason, "who": who}

    def clear(self, client: str, who: str) -> bool:
        """Leave a client to the limiter again; tell whether an override was in force."""
        key = canonical(client)
        override = active_override(self._store.load([key])[0], self._store.now())
        if override is not None:
            self._audit.record(who, "clear_override", key, before=_state_of(override))
            self._store.set_override(key, None, self._limiter.plans.longest)
        # Also without an override: the store may have failed here at the last try.
        self._store.rank(OVERRIDDEN, {}, [key])
        self._limiter.drop_refusals(key)
        self._store.advance_epoch()
        return override is not None

    def describe(self, key: str, state: ClientState, now: float) -> OverrideResult | None:
        """Describe the override in force, with its author while the audit log has the entry."""
        override = active_override(state, now)
        if override is None:
            return None
        entry = self._audit.latest("override", key)
        if entry is None:
            return {**_state_of(override), "reason": "", "who": None}
        return {**_state_of(override), "reason": entry["reason"], "who": entry["who"]}


def active_override(state: ClientState | None, now: float) -> Override | None:
    """Give a client's override unless it has ended: a store may keep it for longer."""
    override = None if state is None else state.override
    return override if override is not None and override.until > now else None


def _state_of(override: Override) -> OverrideState:
    return {"kind": override.kind, "until": override.until, "amount": override.amount}
