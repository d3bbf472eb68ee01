"""Tell the rate plans of many clients, as far as they are known without a request of theirs."""

from __future__ import annotations

from collections.abc import Sequence

from flask_irl.api_keys.record import decode
from flask_irl.api_keys.text import id_of
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.client_plans import is_used
from flask_irl.telemetry.damage import DamageLog


def known_plans(limiter: Limiter, clients: Sequence[str]) -> dict[str, str | None]:
    """Tell the plans of clients: of operators' assignments, of API keys, and the default.

    Args:
        limiter: The limiter.
        clients: Their keys.

    Returns:
        The plan's name, None where the base limit holds; a client whose plan the app tells with
        each request is left out.

    Raises:
        StoreError: The store failed.
    """
    plans = limiter.rate_plans
    if not plans.any:
        return dict.fromkeys(clients)
    default = None if plans.default is None else plans.default.name
    by_key = _plans_of_keys(limiter, clients)
    found: dict[str, str | None] = {}
    for client in clients:
        assigned = plans.assigned_to(client)
        if assigned is not None:
            found[client] = assigned.name
        elif by_key.get(client) in plans.table:
            found[client] = by_key[client]
        elif not plans.by_request:
            found[client] = default
    return found


def members(limiter: Limiter, plan: str, clients: Sequence[str], now: float) -> list[str]:
    """List the clients of a plan.

    A client whose plan only the app tells is a member if requests of its count under the plan in
    the present windows.

    Args:
        limiter: The limiter.
        plan: Name of the plan.
        clients: Keys of clients.
        now: Seconds since the epoch.

    Raises:
        ConfigurationError: There is no such plan.
        StoreError: The store failed.
    """
    table = limiter.rate_plans.table
    if plan not in table:
        there = ", ".join(table) or "none"
        raise ConfigurationError(f"plan is {plan!r:.60}, which is no plan; there are: {there}")
    known = known_plans(limiter, clients)
    unknown = [client for client in clients if client not in known]
    counting = limiter.plan((table[plan].scope,))
    counts = limiter.store.peek_many(counting, unknown)
    used = {
        client
        for client, counted in zip(unknown, counts, strict=True)
        if is_used(counting, plan, counted, now)
    }
    return [client for client in clients if known.get(client) == plan or client in used]


def _plans_of_keys(limiter: Limiter, clients: Sequence[str]) -> dict[str, str]:
    """Read the plans of the clients that are API keys; empty for none."""
    if limiter.keys is None:
        return {}
    ids = {client: id_of(client) for client in clients if id_of(client)}
    records = limiter.store.api_key_records(list(ids.values()))
    damaged = DamageLog("api_key", "api_key_damaged", limiter.notify)
    found: dict[str, str] = {}
    for (client, key_id), data in zip(ids.items(), records, strict=True):
        try:
            found[client] = "" if data is None else decode(key_id, data).key.plan
        except ValueError as error:
            damaged.report(key=key_id, reason=error)
    return found
