"""Look at single clients, reset them, and note operators' feedback on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURES
from flask_irl.config.access_lists import AccessLists
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.keys import UNKNOWN, canonical, network_key
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.overrides import OVERRIDDEN, OverrideOperations, active_override
from flask_irl.operations.results import ClientEntry, ClientResult
from flask_irl.stores.site import RANKED
from flask_irl.stores.state import ClientState
from flask_irl.verdicts import explanations as explain
from flask_irl.verdicts.rankings import RANKINGS
from flask_irl.verdicts.rules import Rules

ORDERS: Final = (*RANKINGS, OVERRIDDEN)
FEEDBACK: Final = {"good": 1, "abuse": 2}
FEEDBACK_NAMES: Final = {code: name for name, code in FEEDBACK.items()}


class ClientOperations:
    """Rank, describe and reset clients, and note feedback on them.

    Args:
        limiter: The limiter.
        audit: Records the changes.
        overrides: Describes the clients' overrides.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog, overrides: OverrideOperations) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._audit = audit
        self._overrides = overrides

    def key_of(self, client_id: str) -> str:
        """Find the key of a client by its id.

        An address may be given in full where its network is the client, as with IPv6: an override
        of a key that no request ever counts under would do nothing.
        """
        key, network = canonical(client_id), network_key(client_id)
        if network in (UNKNOWN, key) or self.describe(key) is not None:
            return key
        return network

    def describe(self, client: str) -> ClientResult | None:
        """Describe a client with the reasons for its score; None if nothing is known of it."""
        self._limiter.refresh()
        key = canonical(client)
        state = self._store.load([key])[0]
        options = self._limiter.options
        listed = AccessLists(options.allow, options.deny).rule_for(key)
        if state is None:
            if not listed:
                return None
            # Requests of listed clients are never counted: there is no more to tell.
            state = ClientState(0, 0.0, 0, 0.0, b"")
        model = self._limiter.trainer.model
        now = self._store.now()
        row = self._limiter.profiler.features_of(state, now)
        records = profile.decode([state.profile])
        record = records[0]
        rules = Rules(options.login_failures, options.unknown_paths)
        return {
            **next(self._entries({key: state}, now)),
            "requests": int(record["total"]),
            "first_seen": float(record["first"]) or state.last_seen,
            "feedback": _feedback(state),
            "listed": listed or None,
            "override": self._overrides.describe(key, state, now),
            "features": {
                feature.name: round(float(value) + 0.0, 6)  # not -0
                for feature, value in zip(FEATURES, row, strict=True)
            },
            "rules": explain.broken_rules(model, rules, records),
            "why": explain.as_json(explain.reasons(model, row)),
        }

    def ranked(
        self, *, order: str = "active", step: int | None = None, offset: int = 0, limit: int = 50
    ) -> tuple[list[ClientEntry], int]:
        """List the clients of a ranking, and count them.

        Args:
            order: ``active``, ``anomalous``, ``refused``, ``flagged`` (the latest first) or
                ``overridden`` (by the override's end, the last first).
            step: Restricts the list to clients at this step.
            offset: The number of clients to skip.
            limit: The number of clients to return at most.

        Raises:
            ConfigurationError: There is no such ranking.
        """
        if order not in ORDERS:
            raise ConfigurationError(f"order is {order!r}: give one of {', '.join(ORDERS)}")
        self._limiter.refresh()
        if step is None:
            names, total = self._store.ranked(order, offset, limit)
            entries = self._live(order, names)
            return entries, total - (len(names) - len(entries))
        # Rankings are short: to count the clients at a step, look at all of them.
        everybody = self._live(order, self._store.ranked(order, 0, RANKED)[0])
        matches = [entry for entry in everybody if entry["step"] == step]
        return matches[offset : offset + limit], len(matches)

    def reset(self, client: str, who: str) -> bool:
        """Forget a client's counts, profile and step; tell whether it was known."""
        key = canonical(client)
        state = self._store.load([key])[0]
        before = {"known": state is not None, **_verdict_of(state)}
        self._audit.record(who, "reset", key, before, {"known": False})
        known = self._limiter.forget(key)
        # Without the ranking of overrides: an override outlives a reset.
        for order in RANKINGS:
            self._store.rank(order, {}, [key])
        self._store.advance_epoch()
        return known

    def reset_all(self, who: str) -> int:
        """Forget the counts, profiles and steps of all clients; count those that were known.

        Operators' overrides stay.
        """
        self._audit.record(who, "reset", "", {"known": True}, {"known": False})
        return self._limiter.forget_all()

    def feedback(self, client: str, verdict: str, who: str) -> bool:
        """Note with a client's profile that it is ``good`` or ``abuse``; False if it isn't known.

        Raises:
            ConfigurationError: There is no such verdict.
        """
        if verdict not in FEEDBACK:
            raise ConfigurationError(f"verdict is {verdict!r}: give good or abuse")
        key = canonical(client)
        state = self._store.load([key])[0]
        if state is None:
            return False
        before = {"verdict": _feedback(state)}
        self._audit.record(who, "feedback", key, before, {"verdict": verdict})
        return self._limiter.profiler.label(key, FEEDBACK[verdict])

    def _live(self, order: str, names: list[str]) -> list[ClientEntry]:
        """Describe ranked clients; clients forgotten meanwhile leave the ranking."""
        if not names:
            return []
        now = self._store.now()
        states = dict(zip(names, self._store.load(names), strict=True))
        live = {
            name: state
            for name, state in states.items()
            if state is not None and (order != OVERRIDDEN or active_override(state, now))
        }
        gone = [name for name in names if name not in live]
        if gone:
            self._store.rank(order, {}, gone)
        return list(self._entries(live, now))

    def _entries(self, states: Mapping[str, ClientState], now: float) -> Iterator[ClientEntry]:
        """Describe clients for a list; unpacking all profiles at once pays for a thousand."""
        factors, options = self._limiter.ladder.factors, self._limiter.options
        records = profile.decode([state.profile for state in states.values()])
        recent = profile.sums_of(records, "recent")
        n, refused = profile.sums_of(records, "n"), profile.sums_of(records, "refused")
        shares = np.minimum(refused / np.maximum(n, 1e-3), 1.0)
        for index, (key, state) in enumerate(states.items()):
            factor = factors[min(state.step, len(factors) - 1)]
            override = active_override(state, now)
            yield {
                "client": key,
                "step": state.step,
                "factor": factor,
                "limit": options.base_at(factor),
                "score": round(state.score, 4),
                "is_anomalous": state.step > 0,
                "override": None if override is None else override.kind,
                "last_seen": state.last_seen,
                "requests_per_minute": round(float(recent[index]), 3),
                "refused_share": round(float(shares[index]), 4),
            }


def _verdict_of(state: ClientState | None) -> dict[str, Any]:
    """Describe a client's verdict for the audit log; empty if it isn't known."""
    if state is None:
        return {}
    record = profile.decode([state.profile])[0]
    return {
        "step": state.step,
        "score": round(state.score, 4),
        "requests": int(record["total"]),
        "feedback": _feedback(state),
    }


def _feedback(state: ClientState) -> str | None:
    """Name an operator's feedback on a client, if there is any."""
    return FEEDBACK_NAMES.get(int(profile.decode([state.profile])[0]["feedback"]))
