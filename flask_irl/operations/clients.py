"""Look at single clients, reset them, and note operators' feedback on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURES
from flask_irl.errors import ConfigurationError
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.keys import canonical
from flask_irl.operations import ids
from flask_irl.operations.audit import AuditLog
from flask_irl.operations.overridden import Overridden, active_override
from flask_irl.operations.results import ClientEntry, ClientFigures, ClientResult
from flask_irl.stores.site import OVERRIDDEN, RANKED
from flask_irl.stores.state import ClientState
from flask_irl.verdicts import explanations as explain
from flask_irl.verdicts.rankings import RANKINGS
from flask_irl.verdicts.rules import Rules

ORDERS: Final = (*RANKINGS, OVERRIDDEN)
UNSEEN: Final = ClientState(0, 0.0, 0, 0.0, b"")
"""State of a client that made no request."""
FEEDBACK: Final = {"good": 1, "abuse": 2}
FEEDBACK_NAMES: Final = {code: name for name, code in FEEDBACK.items()}


class ClientOperations:
    """Rank, describe and reset clients, and note feedback on them.

    Args:
        limiter: The limiter.
        audit: Records the changes.
    """

    def __init__(self, limiter: Limiter, audit: AuditLog) -> None:
        self._limiter = limiter
        self._store = limiter.store
        self._audit = audit
        self._overridden = Overridden(limiter, audit)

    def key_of(self, client_id: str) -> str:
        """Find the key of a client by its id, or the usual form of a network.

        Raises:
            ConfigurationError: A network is written wrong.
        """
        return ids.key_of(self._store, client_id)

    def is_known(self, client_id: str) -> bool:
        """Tell whether a client's id can be right: it was seen, or is an address or a network.

        Raises:
            ConfigurationError: A network is written wrong.
        """
        key = self.key_of(client_id)
        return ids.is_network(key) or ids.is_address(client_id) or self._store.load([key]) != [None]

    def examples(self) -> list[str]:
        """List the keys of some active clients, to show the form of ids."""
        return ids.examples(self._store)

    def describe(self, client: str) -> ClientResult | None:
        """Describe a client with the reasons for its score; None if nothing is known of it."""
        self._limiter.refresh()
        key = canonical(client)
        state = self._store.load([key])[0]
        now = self._store.now()
        options = self._limiter.options
        listed = self._limiter.access.listed(key)
        override = self._overridden.describe(key, state, now)
        covering = self._overridden.covering(key, now)
        if state is None:
            if not (listed or override or covering):
                return None
            # Requests of such clients may never be counted as theirs: there is no more to tell.
            state = UNSEEN
        model = self._limiter.trainer.model
        row = self._limiter.profiler.features_of(state, now)
        records = profile.decode([state.profile])
        record = records[0]
        rules = Rules(options.login_failures, options.unknown_paths)
        return {
            **next(self._figures({key: state}, now)),
            "requests": int(record["total"]),
            "first_seen": float(record["first"]) or state.last_seen,
            "feedback": _feedback(state),
            "listed": listed or None,
            "override": override,
            "covered_by": covering,
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
                ``overridden`` (by the override's end, the last first; networks, too).
            step: Restricts the list to clients at this step.
            offset: The number of clients to skip.
            limit: The number of clients to return at most.

        Raises:
            ConfigurationError: There is no such ranking.
        """
        if order not in ORDERS:
            raise ConfigurationError(f"order is {order!r}: give one of {', '.join(ORDERS)}")
        self._limiter.refresh()
        if order == OVERRIDDEN:
            entries = self._with_override()
            if step is not None:
                entries = [entry for entry in entries if entry["step"] == step]
            return entries[offset : offset + limit], len(entries)
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

    def _with_override(self) -> list[ClientEntry]:
        """Describe the clients and networks with an override, that with the latest end first."""
        now = self._store.now()
        results = self._overridden.networks(now)
        clients = self._store.ranked(OVERRIDDEN, 0, RANKED)[0]
        listed = self._live(OVERRIDDEN, [name for name in clients if name not in results])
        results |= self._overridden.describe_all([entry["client"] for entry in listed], now)
        names = list(results)
        states = dict(zip(names, self._store.load(names), strict=True))
        known = {name: states[name] or UNSEEN for name in names}
        entries = self._entries(known, now)
        for entry in entries:
            result = results[entry["client"]]
            entry["override"] = result["kind"]
            entry["until"] = result["until"]
            entry["reason"], entry["who"] = result["reason"], result["who"]
        return sorted(entries, key=lambda entry: (entry["until"] or 0, entry["client"]))[::-1]

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
        return self._entries(live, now)

    def _entries(self, states: Mapping[str, ClientState], now: float) -> list[ClientEntry]:
        """Describe clients for a list, without the authors of their overrides."""
        overrides = (active_override(state, now) for state in states.values())
        return [
            {
                **figures,
                "until": None if override is None else override.until,
                "reason": None,
                "who": None,
            }
            for figures, override in zip(self._figures(states, now), overrides, strict=True)
        ]

    def _figures(self, states: Mapping[str, ClientState], now: float) -> Iterator[ClientFigures]:
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
