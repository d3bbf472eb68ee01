"""Find the overrides that are in force, with their authors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.network_override import NetworkOverride
from flask_irl.limits.override import Override
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.results import AuditEntry, CoveringOverride, OverrideState
from flask_irl.stores.state import ClientState


class Authored(NamedTuple):
    """Hold an override with its author.

    Attributes:
        override: The override.
        since: Its beginning in seconds since the epoch; None if the audit log no longer has it.
        reason: The operator's reason; may be empty.
        who: The operator; None if nothing has it any more.
    """

    override: Override
    since: float | None
    reason: str
    who: str | None


class Overridden:
    """Find overrides of clients, and those of networks as this process knew them last.

    Args:
        limiter: The limiter, which knows the networks.
        audit: Has the authors of clients' overrides.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._access = limiter.access
        self._audit = audit

    def networks(self, now: float) -> list[str]:
        """List the networks with an override, by name."""
        # Sorted, so that pages neither repeat nor skip one of several that end together.
        return sorted(name for name in self._access.networks if self._network(name, now))

    def find(self, key: str, state: ClientState | None, now: float) -> Override | None:
        """Find the override of a client, or of a network by its usual form."""
        network = self._network(key, now)
        if network is not None:
            return network.override
        own = None if state is None else state.override
        # A store may keep one for longer than it is in force.
        return own if own is not None and own.until > now else None

    def find_all(self, states: Mapping[str, ClientState], now: float) -> dict[str, Override]:
        """Find the overrides of clients and networks; without those that have none."""
        found = ((key, self.find(key, state, now)) for key, state in states.items())
        return {key: override for key, override in found if override is not None}

    def authored(self, states: Mapping[str, ClientState], now: float) -> dict[str, Authored]:
        """Find the overrides of clients and networks with their authors.

        Raises:
            StoreError: The store failed.
        """
        overrides = self.find_all(states, now)
        changes = self._audit.latest_of("override", list(overrides))
        return {
            key: _authored(override, changes.get(key), self._network(key, now))
            for key, override in overrides.items()
        }

    def covering(self, key: str, now: float) -> CoveringOverride | None:
        """Describe the override of the longest network that holds a client, but not its own."""
        network = self._access.network_of(key)
        if network is None or network.network == key or network.override.until <= now:
            return None
        return {
            "network": network.network,
            **state_of(network.override),
            "reason": network.reason,
            "who": network.who,
        }

    def _network(self, key: str, now: float) -> NetworkOverride | None:
        network = self._access.networks.get(key)
        return network if network is not None and network.override.until > now else None


def state_of(override: Override) -> OverrideState:
    """Describe an override alone."""
    return {"kind": override.kind, "until": override.until, "amount": override.amount}


def _authored(
    override: Override, change: AuditEntry | None, network: NetworkOverride | None
) -> Authored:
    since = None if change is None else change["at"]
    if network is not None:
        # That of a network has its author with it.
        return Authored(override, since, network.reason, network.who)
    if change is None:
        return Authored(override, since, "", None)
    return Authored(override, since, change["reason"], change["who"])
