"""Give a store that has lost its data the overrides back that this process knows.

A Redis that restarts empty, or is exchanged for an empty one, knows of no client that operators
blocked. Workers do: whichever notices first writes them again, others add what it didn't know.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Final

from flask_irl.limits.network_override import NetworkOverride
from flask_irl.limits.override import Override
from flask_irl.stores.base import Store
from flask_irl.stores.site import OVERRIDDEN, RANKED
from flask_irl.telemetry.log import event

WHO: Final = "flask_irl"
REASON: Final = "restored: the store had lost it"


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
    for client, override in clients.items():
        store.add_audit(_entry(now, client, override, REASON))
        store.set_override(client, override, 0)
    store.rank(OVERRIDDEN, {client: override.until for client, override in clients.items()})
    for network, each in lost.items():
        store.add_audit(_entry(now, network, each.override, each.reason or REASON))
        # A worker of an older version has clients that are called so.
        store.set_override(network, each.override, 0)
        store.put_network(network, each.encode(), len(known) + len(lost))
    store.advance_epoch()
    event(logging.WARNING, "overrides_restored", clients=len(clients), networks=len(lost))


def _entry(at: float, target: str, override: Override, reason: str) -> bytes:
    """Write an entry of the audit log, as operators' own are."""
    after = {"kind": override.kind, "until": override.until, "amount": override.amount}
    change = {"who": WHO, "action": "override", "target": target, "before": None, "after": after}
    return json.dumps({"at": at, **change, "reason": reason}).encode()
