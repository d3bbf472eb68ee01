"""Tell the consequences of another threshold or base limit, from kept scores and rates."""

from __future__ import annotations

from typing import Final, TypedDict

import numpy as np

from flask_irl.behaviour import profile
from flask_irl.config.options import check_option
from flask_irl.limiter.limiter import Limiter
from flask_irl.limits.keys import canonical
from flask_irl.stores.site import RANKED
from flask_irl.stores.state import ClientState
from flask_irl.verdicts.rankings import RANKINGS

SHOWN: Final = 50
"""Clients that are named at most."""
MINUTE: Final = 60.0


class Affected(TypedDict):
    """Describe a client that a change would touch: its score, and its requests a minute."""

    client: str
    label: str | None
    score: float
    requests_per_minute: float
    refused_per_minute: float


class ThresholdPreview(TypedDict):
    """Describe another threshold's consequences.

    Members:
        clients: Clients whose scores are kept, and that it was computed over.
        flagged: Those that are flagged now.
        more: Clients that would be flagged as well, the lowest scores first, fifty at most.
        more_total: Number of all those.
        fewer: Flagged clients that the new threshold alone would not flag, fifty at most.
        fewer_total: Number of all those.
    """

    threshold: float
    present: float
    clients: int
    flagged: int
    more: list[Affected]
    more_total: int
    fewer: list[Affected]
    fewer_total: int


class LimitPreview(TypedDict):
    """Describe another base limit's consequences at the rates of the last minute.

    Members:
        clients: Clients whose rates are kept, and that it was computed over.
        refused_clients: Those that would ask for more than they may.
        refused_per_minute: Requests a minute that would be refused.
        present_clients, present_per_minute: The same under the limit in force.
        affected: Those clients, most refused first, fifty at most.
    """

    base_limit: int
    window_seconds: int
    clients: int
    refused_clients: int
    refused_per_minute: float
    present_clients: int
    present_per_minute: float
    affected: list[Affected]


class WhatIf:
    """Tell what would change, over the clients of the rankings: a thousand of each at most.

    Args:
        limiter: The limiter.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._store = limiter.store

    def threshold(self, threshold: object) -> ThresholdPreview:
        """Tell which clients another threshold would flag, by their kept scores.

        Scores are as of each client's latest request; clients with an operator's override, and
        those of too few requests to be judged, are left out.

        Args:
            threshold: The threshold, -1 to 0.

        Raises:
            ConfigurationError: It isn't one.
            StoreError: The store failed.
        """
        new = float(check_option("anomaly_threshold", threshold))
        self._limiter.refresh()
        now, ladder = self._store.now(), self._limiter.ladder
        states = self._states(("active", "anomalous", "flagged"))
        records = profile.decode([state.profile for state in states.values()])
        evidence = profile.sums_of(records, "n")
        more: list[Affected] = []
        fewer: list[Affected] = []
        rates = profile.sums_of(records, "recent", now)
        for index, (key, state) in enumerate(states.items()):
            overridden = state.override is not None and state.override.until > now
            if overridden or evidence[index] < ladder.evidence:
                continue
            if state.step == 0 and state.score < new:
                more.append(self._affected(key, state, float(rates[index]), 0.0))
            elif state.step > 0 and state.score >= new:
                fewer.append(self._affected(key, state, float(rates[index]), 0.0))
        more.sort(key=lambda client: client["score"])
        fewer.sort(key=lambda client: client["score"])
        return {
            "threshold": new,
            "present": ladder.threshold,
            "clients": len(states),
            "flagged": sum(state.step > 0 for state in states.values()),
            "more": more[:SHOWN],
            "more_total": len(more),
            "fewer": fewer[:SHOWN],
            "fewer_total": len(fewer),
        }

    def base_limit(self, base_limit: object, window_seconds: object) -> LimitPreview:
        """Tell how much another base limit would refuse, at the rates of the last minute.

        Clients with an operator's override are left out; each other keeps its step's share.

        Args:
            base_limit: Requests per window.
            window_seconds: The window.

        Raises:
            ConfigurationError: One isn't allowed, or the base limit is off.
            StoreError: The store failed.
        """
        limit = int(check_option("base_limit", base_limit))
        window = int(check_option("window_seconds", window_seconds))
        self._limiter.refresh()
        now, options = self._store.now(), self._limiter.options
        states = {
            key: state
            for key, state in self._states(("active", "refused")).items()
            if state.override is None or state.override.until <= now
        }
        records = profile.decode([state.profile for state in states.values()])
        rates = profile.sums_of(records, "recent", now)
        factors = self._limiter.ladder.factors
        shares = np.array([factors[min(s.step, len(factors) - 1)] for s in states.values()])
        refused = np.maximum(rates - limit * shares * MINUTE / window, 0.0)
        present = np.zeros(len(states))
        if options.base_limit is not None:
            allowed = options.base_limit * shares * MINUTE / options.window_seconds
            present = np.maximum(rates - allowed, 0.0)
        keys = list(states)
        worst = np.argsort(-refused, kind="stable")[:SHOWN].tolist()
        return {
            "base_limit": limit,
            "window_seconds": window,
            "clients": len(states),
            "refused_clients": int((refused >= 0.5).sum()),
            "refused_per_minute": round(float(refused.sum()), 1),
            "present_clients": int((present >= 0.5).sum()),
            "present_per_minute": round(float(present.sum()), 1),
            "affected": [
                self._affected(keys[i], states[keys[i]], float(rates[i]), float(refused[i]))
                for i in worst
                if refused[i] >= 0.5
            ],
        }

    def _states(self, orders: tuple[str, ...]) -> dict[str, ClientState]:
        now = self._store.now()
        names: dict[str, None] = {}
        for order in orders:
            ranking = RANKINGS[order]
            found, _ = self._store.ranked(ranking.stored, 0, RANKED, ranking.least_rank(now))
            names.update(dict.fromkeys(name for name in found if canonical(name) == name))
        loaded, _ = self._store.load_reachable(list(names)) if names else ([], None)
        pairs = zip(names, loaded, strict=True)
        return {name: state for name, state in pairs if state is not None}

    def _affected(self, key: str, state: ClientState, rate: float, refused: float) -> Affected:
        return {
            "client": key,
            "label": self._limiter.label(key),
            "score": round(state.score + 0.0, 4),
            "requests_per_minute": round(rate, 1),
            "refused_per_minute": round(refused, 1),
        }
