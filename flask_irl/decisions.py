"""From a store's answer, or none, to the decision on a request. Pure."""

from __future__ import annotations

from typing import Final

from flask_irl.overrides import CODES
from flask_irl.records import Decision, Hit, Outcome, Plan, Source

BLOCK: Final = CODES["block"]
DENIED_SECONDS: Final = 3600.0
DENIED_RETRY_SECONDS: Final = 1.0


def decision_of(plan: Plan, client: str, hit: Hit, source: Source) -> Decision:
    """The decision that a store's answer makes.

    Args:
        plan: What was asked.
        client: Who it was asked about.
        hit: The answer.
        source: Whose answer it is.
    """
    admitted, binding, step, tight, score, amount, left, reset, retry, now, gap, override = hit
    scope, limit = plan.shown[binding]
    outcome: Outcome = "allowed"
    if not admitted:
        outcome = "blocked" if override == BLOCK else "limited"
    elif tight:
        outcome = "shadow_limited"
    fields = (
        outcome,
        client,
        amount,
        left,
        reset / 1e6,
        retry / 1e6,
        step > 0,
        step,
        score,
        limit.window_seconds,
        scope.name,
        source,
        now / 1e6,
        gap / 1e6 if gap >= 0 else -1.0,
    )
    # As Decision(...), but without a call of Python's: it is made of every request.
    return tuple.__new__(Decision, fields)


def decision_without_store(plan: Plan, client: str, now: float, *, denied: bool) -> Decision:
    """The decision where no store answers and nobody counts instead.

    Args:
        plan: What would have been asked.
        client: Who the request is from.
        now: Seconds since the epoch.
        denied: Whether such requests are turned away.
    """
    limit = plan.shown[0][1]
    wait = DENIED_RETRY_SECONDS if denied else 0.0
    return Decision(
        outcome="blocked" if denied else "allowed",
        key=client,
        limit=limit.amount,
        remaining=0 if denied else limit.amount,
        reset_after=wait,
        retry_after=wait,
        is_anomalous=False,
        step=0,
        score=0.0,
        window_seconds=limit.window_seconds,
        scope="",
        source="none",
        at=now,
        gap=-1.0,
    )


def decision_on_denied(client: str, window_seconds: int, now: float) -> Decision:
    """The decision on a client that is denied by configuration, whatever it does."""
    return Decision(
        outcome="blocked",
        key=client,
        limit=0,
        remaining=0,
        reset_after=DENIED_SECONDS,
        retry_after=DENIED_SECONDS,
        is_anomalous=False,
        step=0,
        score=0.0,
        window_seconds=window_seconds,
        scope="",
        source="list",
        at=now,
        gap=-1.0,
    )
