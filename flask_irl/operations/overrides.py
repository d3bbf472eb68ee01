"""An operator's word on a client, over the limits' and the model's."""

from __future__ import annotations

from typing import Any, Final

from flask_irl.errors import ConfigurationError
from flask_irl.limits.keys import canonical
from flask_irl.limits.override import MAX_SECONDS, Override
from flask_irl.operations.hands import Hands
from flask_irl.stores.state import ClientState

MAX_REASON: Final = 500
OVERRIDDEN: Final = "overridden"
"""The ranking of the clients with an override, by when it ends."""


class OverrideOperations(Hands):
    """Hands that allow, block and limit."""

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
        self._store.rank(OVERRIDDEN, {key: override.until})
        self._limiter.drop_refusals(key)
        self._store.advance_epoch()
        before, after = override_entry(in_force(state, now)), override_entry(override)
        self._audit(who, "override", key, before, after, reason)
        return {"client": key, **(after or {}), "reason": reason, "who": who}

    def clear_override(self, client: str, who: str) -> bool:
        """Leave a client to the limiter again; whether an override was in force."""
        key = canonical(client)
        override = in_force(self._store.load([key])[0], self._store.now())
        if override is not None:
            # First: should the store fail after it, another try couldn't tell what there was.
            self._audit(who, "clear_override", key, before=override_entry(override))
            self._store.set_override(key, None, self._limiter.plans.longest)
        # Also where there is none: the store may have failed at this the last time.
        self._store.rank(OVERRIDDEN, {}, [key])
        self._limiter.drop_refusals(key)
        self._store.advance_epoch()
        return override is not None

    def _override_of(self, key: str, state: ClientState, now: float) -> dict[str, Any] | None:
        """A client's override with who decided so and why, unless that was long ago."""
        entry = override_entry(in_force(state, now))
        if entry is None:
            return None
        said = self._latest("override", key) or {}
        return {**entry, "reason": said.get("reason", ""), "who": said.get("who")}


def in_force(state: ClientState | None, now: float) -> Override | None:
    """A client's override, unless it has ended: a store may keep it for longer."""
    override = None if state is None else state.override
    return override if override is not None and override.until > now else None


def override_entry(override: Override | None) -> dict[str, Any] | None:
    if override is None:
        return None
    return {"kind": override.kind, "until": override.until, "amount": override.amount}
