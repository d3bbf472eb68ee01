"""Give a store that has lost overrides those back that this process knows.

A Redis that restarts empty, or is exchanged for an empty one, knows of no client that operators
blocked. Workers do: whichever notices first writes them again, and others add what it didn't know.
The same is done where a full Redis has evicted one, or a node of a cluster has restarted empty.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Final

from flask_irl.limits.network_override import NetworkOverride
from flask_irl.limits.override import Override
from flask_irl.stored import read_json
from flask_irl.stores.base import Store
from flask_irl.stores.site import AUDIT_KEPT, OVERRIDDEN, RANKED
from flask_irl.telemetry.log import event

WHO: Final = "flask_irl"
LOST_SECONDS: Final = 1.5
"""Time for which a lost override is missing at the least: less than that between two polls."""
REASON: Final = "restored: the store had lost it"
SET: Final = "override"
CLEARED: Final = ("clear", "clear_override")
"""Actions of the audit log by which overrides are taken back; the second is an earlier build's."""


def restore_overrides(
    store: Store, own: Mapping[str, Override], networks: Mapping[str, NetworkOverride]
) -> None:
    """Write overrides that a store doesn't have, and have all workers take them up.

    Args:
        store: The store, which has lost its data.
        own: The overrides of single clients.
        networks: Those of networks.

    Raises:
        StoreError: The store failed; some may be restored.
    """
    now = store.now()
    ranked, _ = store.ranked(OVERRIDDEN, 0, RANKED)
    known = store.networks()
    clients = {c: o for c, o in own.items() if o.until > now and c not in ranked}
    lost = {n: o for n, o in networks.items() if o.override.until > now and n not in known}
    if not clients and not lost:
        return
    _write(store, clients, now)
    store.rank(OVERRIDDEN, {client: override.until for client, override in clients.items()})
    for network, each in lost.items():
        store.add_audit(_entry(now, network, each.override, each.reason or REASON))
        # A worker of an older version has clients that are called so.
        store.set_override(network, each.override, 0)
        store.put_network(network, each.encode(), len(known) + len(lost))
    store.advance_epoch()
    event(logging.WARNING, "overrides_restored", clients=len(clients), networks=len(lost))


def not_cleared(store: Store, overrides: Mapping[str, Override]) -> dict[str, Override]:
    """Select the overrides of clients that no operator has taken back, by the audit log.

    A full Redis may evict the list of them, which then looks as if all had been cleared.

    Args:
        store: The store, which doesn't list them any more.
        overrides: The overrides.

    Raises:
        StoreError: The store failed.
    """
    if not overrides:
        return {}
    decided: dict[str, str] = {}
    # The latest entry comes first.
    for data in store.audit(0, AUDIT_KEPT)[0]:
        try:
            entry = read_json(data)
            target, action = entry["target"], entry["action"]
        except (ValueError, TypeError, KeyError):
            continue
        if target in overrides and (action == SET or action in CLEARED):
            decided.setdefault(target, action)
    return {c: o for c, o in overrides.items() if decided.get(c) not in CLEARED}


class Missing:
    """Find overrides that a store has lost, though no operator has taken them back.

    One that an operator takes back at this moment may look so, too: none counts as lost that wasn't
    missing for a while.

    Args:
        store: The store.
        monotonic: Seconds of a clock that is never set.
    """

    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._since: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._since)

    def note(self, missing: Mapping[str, Override]) -> None:
        """Note the overrides of clients that are missing now, and restore those that are lost.

        Raises:
            StoreError: The store failed; some may be restored.
        """
        now = self._monotonic()
        self._since = {client: self._since.get(client, now) for client in missing}
        lost = {c: o for c, o in missing.items() if now - self._since[c] >= LOST_SECONDS}
        if lost:
            _write(self._store, lost, self._store.now())
            self._store.rank(OVERRIDDEN, {client: each.until for client, each in lost.items()})
            event(logging.WARNING, "overrides_restored", clients=len(lost), networks=0)
            self._since = {c: since for c, since in self._since.items() if c not in lost}


def _write(store: Store, clients: Mapping[str, Override], now: float) -> None:
    for client, override in clients.items():
        store.add_audit(_entry(now, client, override, REASON))
        store.set_override(client, override, 0)


def _entry(at: float, target: str, override: Override, reason: str) -> bytes:
    """Write an entry of the audit log, as operators' own are."""
    after = {"kind": override.kind, "until": override.until, "amount": override.amount}
    change = {"who": WHO, "action": SET, "target": target, "before": None, "after": after}
    return json.dumps({"at": at, **change, "reason": reason}).encode()
