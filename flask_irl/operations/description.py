"""Describe a client with all that is known of it."""

from __future__ import annotations

from typing import Any, Final

from flask_irl.behaviour import profile
from flask_irl.behaviour.features import FEATURE_NAMES
from flask_irl.limiter.limiter import Limiter
from flask_irl.operations.client_plans import plan_of_client
from flask_irl.operations.entries import Entries
from flask_irl.operations.overridden import Overridden
from flask_irl.operations.recent import RecentRequests
from flask_irl.operations.results import ClientEntry, ClientResult, OverrideResult
from flask_irl.operations.traffic import answers_of, asked_routes, routes_of
from flask_irl.stores.state import ClientState
from flask_irl.verdicts import explanations as explain

UNSEEN: Final = ClientState(0, 0.0, 0, 0.0, b"")
"""State of a client that made no request."""
FEEDBACK: Final = {"good": 1, "abuse": 2}
FEEDBACK_NAMES: Final = {code: name for name, code in FEEDBACK.items()}


class Description:
    """Describe a client or a network.

    Args:
        limiter: The limiter.
        entries: Describes clients in short.
        overridden: Knows the networks that cover a client.
    """

    def __init__(self, limiter: Limiter, entries: Entries, overridden: Overridden) -> None:
        self._limiter = limiter
        self._entries = entries
        self._overridden = overridden
        self._recent = RecentRequests(limiter)

    def of(self, key: str, state: ClientState | None, now: float) -> ClientResult | None:
        """Describe a client with the reasons for its score; None if nothing is known of it.

        Raises:
            StoreError: The store failed.
        """
        listed = self._limiter.access.listed(key)
        covering = self._overridden.covering(key, now)
        if state is None:
            assigned = self._limiter.rate_plans.assignment_of(key)
            if not (listed or covering or assigned or self._overridden.find(key, None, now)):
                return None
            # Requests of such clients may never be counted as theirs: there is no more to tell.
            state = UNSEEN
        [entry] = self._entries.list({key: state}, now)
        record = profile.decode([state.profile])
        rules, reasons = self._entries.why(key, state, record, entry["score"], now)
        return {
            "client": key,
            "label": entry["label"],
            "country": entry["country"],
            "country_name": self._country_name(key),
            "step": entry["step"],
            "factor": entry["factor"],
            "limit": entry["limit"],
            "score": entry["score"],
            "is_anomalous": entry["is_anomalous"],
            "since": entry["since"],
            "until": entry["until"],
            "last_seen": entry["last_seen"],
            "requests_per_minute": entry["requests_per_minute"],
            "refused_share": entry["refused_share"],
            "requests": int(record[0]["total"]),
            "first_seen": float(record[0]["first"]) or state.last_seen,
            "feedback": feedback_on(state),
            "listed": listed or None,
            "plan": plan_of_client(self._limiter, key, now),
            "tenant": self._limiter.tenant,
            "override": _override_of(entry),
            "covered_by": covering,
            "answers": answers_of(record),
            "routes": asked_routes(record, routes_of(self._limiter.store.counts()), now),
            "recent_requests": self._recent.of(key, now),
            "features": {
                name: round(float(value) + 0.0, 6)  # not -0
                for name, value in zip(
                    FEATURE_NAMES, self._entries.features(record, now), strict=True
                )
            },
            "rules": rules,
            "why": explain.as_json(reasons),
        }

    def _country_name(self, key: str) -> str | None:
        countries = self._limiter.countries
        return None if countries is None else countries.find(key).name or None


def verdict_on(state: ClientState | None) -> dict[str, Any]:
    """Describe a client's verdict for the audit log; empty if it isn't known."""
    if state is None:
        return {}
    record = profile.decode([state.profile])[0]
    return {
        "step": state.step,
        "score": round(state.score, 4),
        "requests": int(record["total"]),
        "feedback": feedback_on(state),
    }


def feedback_on(state: ClientState) -> str | None:
    """Name an operator's feedback on a client, if there is any."""
    return FEEDBACK_NAMES.get(int(profile.decode([state.profile])[0]["feedback"]))


def _override_of(entry: ClientEntry) -> OverrideResult | None:
    if entry["override"] is None or entry["until"] is None:
        return None
    return {
        "kind": entry["override"],
        "until": entry["until"],
        "amount": entry["amount"],
        "reason": entry["reason"],
        "who": entry["who"],
    }
