"""Describe the overrides that are in force."""

from __future__ import annotations

from collections.abc import Sequence

from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.network_override import NetworkOverride
from flask_irl.limits.override import Override
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.results import (
    AuditEntry,
    CoveringOverride,
    OverrideResult,
    OverrideState,
)
from flask_irl.stores.state import ClientState


class Overridden:
    """Describe overrides of clients and networks, as this process knew them last.

    Args:
        limiter: The limiter, which knows the networks.
        audit: Has the authors of clients' overrides.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._store = limiter.store
        self._access = limiter.access
        self._audit = audit

    def describe(self, key: str, state: ClientState | None, now: float) -> OverrideResult | None:
        """Describe the override of a client or a network.

        Raises:
            StoreError: The store failed.
        """
        network = self._access.networks.get(key)
        if network is not None and network.override.until > now:
            return _of_network(network)
        override = active_override(state, now)
        if override is None:
            return None
        return _with_author(override, self._audit.latest("override", key))

    def describe_all(self, clients: Sequence[str], now: float) -> dict[str, OverrideResult]:
        """Describe the overrides of many clients' own.

        Raises:
            StoreError: The store failed.
        """
        if not clients:
            return {}
        entries = self._audit.latest_of_all("override")
        found: dict[str, OverrideResult] = {}
        for client, state in zip(clients, self._store.load(clients), strict=True):
            override = active_override(state, now)
            if override is not None:
                found[client] = _with_author(override, entries.get(client))
        return found

    def covering(self, key: str, now: float) -> CoveringOverride | None:
        """Describe the override of the longest network that holds a client, but not its own."""
        network = self._access.network_of(key)
        if network is None or network.network == key or network.override.until <= now:
            return None
        return {"network": network.network, **_of_network(network)}

    def networks(self, now: float) -> dict[str, OverrideResult]:
        """Describe the overrides of networks."""
        return {
            name: _of_network(each)
            for name, each in self._access.networks.items()
            if each.override.until > now
        }


def active_override(state: ClientState | None, now: float) -> Override | None:
    """Give a client's override unless it has ended: a store may keep it for longer."""
    override = None if state is None else state.override
    return override if override is not None and override.until > now else None


def state_of(override: Override) -> OverrideState:
    """Describe an override alone."""
    return {"kind": override.kind, "until": override.until, "amount": override.amount}


def _with_author(override: Override, entry: AuditEntry | None) -> OverrideResult:
    if entry is None:
        return {**state_of(override), "reason": "", "who": None}
    return {**state_of(override), "reason": entry["reason"], "who": entry["who"]}


def _of_network(network: NetworkOverride) -> OverrideResult:
    return {**state_of(network.override), "reason": network.reason, "who": network.who}
