"""Single clients: who there is, why each is judged as it is, and forgetting them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURES
from flask_irl.config.access_lists import AccessLists
from flask_irl.errors import ConfigurationError
from flask_irl.limits.keys import UNKNOWN, canonical, network_key
from flask_irl.operations.overrides import OVERRIDDEN, OverrideOperations, in_force
from flask_irl.stores.state import ClientState
from flask_irl.verdicts import explanations as explain
from flask_irl.verdicts.rules import Rules

RANKINGS: Final = ("active", "anomalous", "refused", "flagged")
"""What flushes keep up."""
ORDERS: Final = (*RANKINGS, OVERRIDDEN)
FEEDBACK: Final = {"good": 1, "abuse": 2}
FEEDBACK_NAMES: Final = {code: name for name, code in FEEDBACK.items()}


class ClientOperations(OverrideOperations):
    """Hands on single clients."""

    def key_of(self, client_id: str) -> str:
        """The key of a client that goes by an id.

        An address may be written out where its network is the client, as with IPv6: an override of
        what no request ever counts under would do nothing.
        """
        key, network = canonical(client_id), network_key(client_id)
        if network in (UNKNOWN, key) or self.client(key) is not None:
            return key
        return network

    def client(self, client: str) -> dict[str, Any] | None:
        """All that is known of a client, and why it scores as it does; None if nothing is."""
        self._limiter.refresh()
        key = canonical(client)
        state = self._store.load([key])[0]
        options = self._limiter.options
        listed = AccessLists(options.allow, options.deny).rule_for(key)
        if state is None:
            if not listed:
                return None
            # Its requests are never counted: that it is listed is all there is to tell.
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
            "override": self._override_of(key, state, now),
            "features": {
                feature.name: round(float(value) + 0.0, 6)  # not -0
                for feature, value in zip(FEATURES, row, strict=True)
            },
            "rules": explain.broken_rules(model, rules, records),
            "why": explain.as_json(explain.reasons(model, row)),
        }

    def clients(
        self, *, order: str = "active", step: int | None = None, offset: int = 0, limit: int = 50
    ) -> tuple[list[dict[str, Any]], int]:
        """Clients, ranked, and how many the ranking holds.

        Args:
            order: ``active``, ``anomalous``, ``refused``, ``flagged`` (the latest first) or
                ``overridden`` (whose override lasts longest first).
            step: Only those at this step.
            offset: How many to leave out.
            limit: How many to return at most.
        """
        if order not in ORDERS:
            raise ConfigurationError(f"order is {order!r}: give one of {', '.join(ORDERS)}")
        self._limiter.refresh()
        if step is None:
            names, total = self._store.ranked(order, offset, limit)
            known = self._known(order, names)
            return known, total - (len(names) - len(known))
        # The rankings are short: to count those at a step, look at them all.
        everybody = self._known(order, self._store.ranked(order, 0, 1000)[0])
        chosen = [entry for entry in everybody if entry["step"] == step]
        return chosen[offset : offset + limit], len(chosen)

    def reset(self, client: str, who: str) -> bool:
        """Forget a client: its counts, its profile, its step; whether it was known."""
        key = canonical(client)
        state = self._store.load([key])[0]
        # First: once forgotten, this is all that is left to tell whether that was right.
        before = {"known": state is not None, **_judged(state)}
        self._audit(who, "reset", key, before, {"known": False})
        known = self._limiter.forget(key)
        # An override outlives this.
        for order in RANKINGS:
            self._store.rank(order, {}, [key])
        self._store.advance_epoch()
        return known

    def feedback(self, client: str, verdict: str, who: str) -> bool:
        """Note with a client's profile that it is ``good`` or ``abuse``; False if it isn't known.

        Raises:
            ConfigurationError: The verdict isn't known.
        """
        if verdict not in FEEDBACK:
            raise ConfigurationError(f"verdict is {verdict!r}: give good or abuse")
        key = canonical(client)
        before = _feedback(self._store.load([key])[0])
        if not self._limiter.profiler.label(key, FEEDBACK[verdict]):
            return False
        self._audit(who, "feedback", key, {"verdict": before}, {"verdict": verdict})
        return True

    def _known(self, order: str, names: list[str]) -> list[dict[str, Any]]:
        """The entries of ranked clients; those that are forgotten meanwhile leave the ranking."""
        if not names:
            return []
        now = self._store.now()
        states = dict(zip(names, self._store.load(names), strict=True))
        known = {
            name: state
            for name, state in states.items()
            if state is not None and (order != OVERRIDDEN or in_force(state, now))
        }
        gone = [name for name in names if name not in known]
        if gone:
            self._store.rank(order, {}, gone)
        return list(self._entries(known, now))

    def _entries(self, states: Mapping[str, ClientState], now: float) -> Iterator[dict[str, Any]]:
        """Clients in a list; all profiles are unpacked at once, which for a thousand matters."""
        factors, base = self._limiter.ladder.factors, self._limiter.options.base
        records = profile.decode([state.profile for state in states.values()])
        recent = profile.sums_of(records, "recent")
        n, refused = profile.sums_of(records, "n"), profile.sums_of(records, "refused")
        shares = np.minimum(refused / np.maximum(n, 1e-3), 1.0)
        for index, (key, state) in enumerate(states.items()):
            factor = factors[min(state.step, len(factors) - 1)]
            override = in_force(state, now)
            yield {
                "client": key,
                "step": state.step,
                "factor": factor,
                "limit": base.at(factor),
                "score": round(state.score, 4),
                "is_anomalous": state.step > 0,
                "override": override and override.kind,
                "last_seen": state.last_seen,
                "requests_per_minute": round(float(recent[index]), 3),
                "refused_share": round(float(shares[index]), 4),
            }


def _judged(state: ClientState | None) -> dict[str, Any]:
    """How a client stands, for the audit log; nothing of one that isn't known."""
    if state is None:
        return {}
    record = profile.decode([state.profile])[0]
    return {
        "step": state.step,
        "score": round(state.score, 4),
        "requests": int(record["total"]),
        "feedback": _feedback(state),
    }


def _feedback(state: ClientState | None) -> str | None:
    """What an operator thought of a client, if any did."""
    if state is None:
        return None
    return FEEDBACK_NAMES.get(int(profile.decode([state.profile])[0]["feedback"]))
