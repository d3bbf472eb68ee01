"""Override the limits and the model for single clients and for networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.network_override import NetworkOverride
from flask_irl.limits.override import Kind, Override, check_seconds
from flask_irl.operations import ids
from flask_irl.operations.audit import AuditLog, check_reason
from flask_irl.operations.overridden import Overridden, state_of
from flask_irl.operations.results import ClientOverride, OverrideState
from flask_irl.stored import is_number
from flask_irl.stores.site import OVERRIDDEN

MAX_NETWORKS: Final = 10_000
"""Networks that can be overridden at a time: every worker knows them all."""


class OverrideOperations:
    """Set and clear operators' overrides.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._audit = audit
        self._overridden = Overridden(limiter, audit)

    def set(
        self,
        client: str,
        kind: str,
        *,
        amount: int,
        seconds: float,
        reason: str,
        who: str,
        named: bool = False,
    ) -> ClientOverride:
        """Allow, block or limit a client or a network for a time.

        Holds for a client in this worker at once, and in all others within a second, two where it
        is being refused; for a network in this one at once, in all others within two seconds. The
        clients of a network count together, as one, against its limit.

        Args:
            client: The client's id or key, known to the store or not, or a network.
            kind: ``allow``, ``block`` or ``limit``.
            amount: Requests per window, with ``limit``; else 0.
            seconds: The time until the override ends, up to a year.
            reason: The operator's reason, for the audit log.
            who: The operator.
            named: Takes a client that is called like a network for that client alone: names may be
                chosen by strangers.

        Raises:
            ConfigurationError: A value isn't allowed, the configuration denies the client, too
                many networks are overridden, or a client's name is that of an overridden network.
        """
        check_seconds(seconds)
        key = self._key_of(client, named)
        override = Override(cast(Kind, kind), self._store.now() + seconds, amount)
        return self._put_in_force(key, override, reason, who, named)

    def restore(self, key: str, state: Mapping[str, Any] | None, reason: str, who: str) -> None:
        """Put a client or a network back to the override that the audit log has, with its end.

        Args:
            key: The client's key, or a network.
            state: As of :func:`state_of`; None, or one that has ended, for no override.
            reason: The reason to restore it with.
            who: The operator.

        Raises:
            ConfigurationError: The state isn't one of an override, or as of :meth:`set`.
        """
        until: Any = None if state is None else state.get("until")
        if state is None or not is_number(until) or until <= self._store.now():
            self.clear(key, who)
            return
        kind, amount = cast(Kind, state.get("kind")), state.get("amount", 0)
        self._put_in_force(key, Override(kind, until, amount), reason, who, False)

    def in_force(self, key: str) -> OverrideState | None:
        """Describe the override of a client or a network; None if there is none."""
        self._limiter.refresh()
        found = self._overridden.find(key, self._store.load([key])[0], self._store.now())
        return None if found is None else state_of(found)

    def _put_in_force(
        self, key: str, override: Override, reason: str, who: str, named: bool
    ) -> ClientOverride:
        check_reason(reason)
        state = self._store.load([key])[0]
        now = self._store.now()
        if override.kind != "block" and self._limiter.access.listed(key) == "deny":
            raise ConfigurationError(
                f"{key} is denied by the configuration (IRL_DENY), which goes before any override: "
                "take it out there"
            )
        self._limiter.refresh()
        network = self._is_network(key, named)
        after = state_of(override)
        current = self._overridden.find(key, state, now)
        before = None if current is None else state_of(current)
        self._audit.record(who, "override", key, before, after, reason)
        # A network has it, too: the limit counts there, and a worker of an older version that
        # knows nothing of networks has clients that are called so.
        self._store.set_override(key, override, self._limiter.plans.longest)
        if network:
            self._put(NetworkOverride(key, override, reason, who))
        self._rank(key, None if network else override)
        known = network or state is not None
        return {"client": key, **after, "reason": reason, "who": who, "known": known}

    def clear(self, client: str, who: str, *, named: bool = False) -> bool:
        """Leave a client or a network to the limiter again; tell if an override was in force.

        Other workers may hold to it until they look for changes, within two seconds.

        Args:
            client: As of :meth:`set`, like the others.
            who: The operator.
            named: Takes a client that is called like a network for that client alone.

        Raises:
            ConfigurationError: A client's name is that of an overridden network.
        """
        key = self._key_of(client, named)
        self._limiter.refresh()
        network = self._is_network(key, named)
        state = self._store.load([key])[0]
        override = self._overridden.find(key, state, self._store.now())
        if override is not None:
            self._audit.record(who, "clear", key, before=state_of(override))
            # First: to workers, one that is listed and missing is one that the store has lost.
            self._store.rank(OVERRIDDEN, {}, [key])
            self._store.set_override(key, None, self._limiter.plans.longest)
        if network:
            self._store.drop_networks([key])
        # Also without an override: the store may have failed here at the last try.
        self._rank(key, None)
        return override is not None

    def _key_of(self, client: str, named: bool) -> str:
        return (ids.client_key_of if named else ids.key_of)(self._store, client)

    def _is_network(self, key: str, named: bool) -> bool:
        """Tell whether an override is one of a network.

        Raises:
            ConfigurationError: A client's name is that of an overridden network.
        """
        if not named:
            return ids.is_network(key)
        if key in self._limiter.access.networks:
            raise ConfigurationError(
                f"{key} is a network that an operator has overridden: change it there, by the "
                "command line or the admin API"
            )
        return False

    def _put(self, override: NetworkOverride) -> None:
        if not self._store.put_network(override.network, override.encode(), MAX_NETWORKS):
            self._store.set_override(override.network, None, self._limiter.plans.longest)
            raise ConfigurationError(
                f"{MAX_NETWORKS} networks are overridden, and no more can be: clear some, or give "
                "larger networks for them"
            )

    def _rank(self, key: str, override: Override | None) -> None:
        """Rank a client by its override, and have all workers take up the change."""
        if override is None:
            self._store.rank(OVERRIDDEN, {}, [key])
        else:
            self._store.rank(OVERRIDDEN, {key: override.until})
        self._limiter.refusals.forget(key)
        self._store.advance_epoch()
        self._limiter.refresh()
