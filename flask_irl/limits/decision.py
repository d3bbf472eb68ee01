"""Describe a store's answer to a request, and make the decision of it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from flask_irl.limits.override import CODES
from flask_irl.limits.plan import Plan

Outcome = Literal["allowed", "limited", "blocked", "shadow_limited", "exempt"]
REFUSED: Final[frozenset[Outcome]] = frozenset({"limited", "blocked"})
Source = Literal["store", "local", "fallback", "none", "list"]


class Hit(NamedTuple):
    """A store's answer to one request. Times are in microseconds.

    Attributes:
        admitted: Whether every limit admits the request; only then has any counted it.
        binding: Index, over all scopes' limits in order, of the limit to show: the refusing one
            with the longest wait, or else the one with least left.
        step: The client's step on the ladder, 0 for the full limit.
        tight_refused: In shadow, whether the step's tighter limit would have refused.
        score: The client's latest calibrated score, 0 to -1.
        limit: The binding limit at the client's step, in requests.
        remaining: Requests left of it.
        reset_after: Until its window ends (GCRA: until it is whole again); when refused, the same
            as ``retry_after``.
        retry_after: Until the request will be admitted if nothing else is counted; 0 if admitted.
        now: The store's clock, since the epoch.
        gap: Since the client's previous request, or -1 when none is known.
        override: The operator's word that decided: 0 none, 1 allow, 2 block, 3 limit.
    """

    admitted: bool
    binding: int
    step: int
    tight_refused: bool
    score: float
    limit: int
    remaining: int
    reset_after: float
    retry_after: float
    now: float
    gap: float
    override: int = 0


class Decision(NamedTuple):
    """What the limiter decided on one request; the headers, the 429 and the log all show it.

    Attributes:
        outcome: ``allowed``, ``limited``, ``blocked``, ``shadow_limited`` (admitted, but the
            model's word would have refused it) or ``exempt``.
        key: The client's key, as stored.
        limit: Requests per window in effect for this client; 0 when exempt.
        remaining: Requests left.
        reset_after: Seconds until the window resets.
        retry_after: Seconds until a refused request would be admitted; 0 when admitted.
        is_anomalous: Whether the client is at a lower step than the full limit.
        step: Its step, 0 for the full limit.
        score: Its latest calibrated score, 0 (normal) to -1 (anomalous).
        window_seconds: The window of the limit shown.
        scope: What the limit shown counts; ``""`` is all of the client's requests.
        source: Who decided: ``store``, ``local`` (known to be over, the store wasn't asked),
            ``fallback`` (the store is out), ``none``, or ``list`` (denied by configuration).
        at: When, in seconds since the epoch, by the store's clock.
        gap: Seconds since the client's previous request, or -1.
    """

    outcome: Outcome
    key: str
    limit: int
    remaining: int
    reset_after: float
    retry_after: float
    is_anomalous: bool
    step: int
    score: float
    window_seconds: int
    scope: str
    source: Source
    at: float
    gap: float

    @property
    def admitted(self) -> bool:
        """Whether the request goes on to its view."""
        return self.outcome not in REFUSED


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
